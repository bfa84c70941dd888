// Redacted films: they were coded anew, so nothing of them follows from what was recorded. They are what the city made,
// of segments that the ledger had committed to.

import { bytes, hex, ProofError, same, sha256, type Bytes } from "../ledger/hashing";
import type { FilmReader } from "./archive";
import { filmLabels, filmSeal } from "./film";
import type { Area, Redacted, RedactedFilm } from "./manifest";
import type { Recorded } from "./recorded";
import { asked, inOrder, without, type Stretch } from "./stretch";
import type { Found, Hole } from "./verdict";

/** What there is of each camera, and what is missing; throws `ProofError`. */
export async function checkRedacted(manifest: Redacted, certificate: Bytes, recorded: Recorded[], read: FilmReader): Promise<Found> {
  const cameras = new Set(manifest.cameras.map((one) => one.id));
  if (recorded.some((one) => !cameras.has(one.camera))) throw new ProofError("a segment is of a camera that is not listed");
  for (const area of manifest.shown) checkArea(area, cameras);
  const holes: Hole[] = [];
  for (const camera of cameras) {
    const films = manifest.files.filter((one) => one.camera === camera);
    const spans = films.map((one) => spanOf(one, recorded));
    if (spans.some((one, at) => at && spans[at - 1]!.end > one.start)) throw new ProofError(`the films of ${camera} are not in order`);
    for (const film of films) await checkFilm(film, manifest, certificate, read);
    holes.push(...holesIn(camera, spans, recorded, manifest));
  }
  return { films: manifest.files.map((film) => ({ film, startNs: BigInt(film.start_ns) })), holes, signed: new Map() };
}

function checkArea(area: Area, cameras: Set<string>): void {
  const isOne = area.left < area.right && area.top < area.bottom && BigInt(area.start_ns) < BigInt(area.end_ns);
  if (!isOne || !cameras.has(area.camera)) throw new ProofError("a place that is shown is none, or of a camera that is not listed");
}

/** What a film is of; the ledger committed to footage of its beginning and of its end. */
function spanOf(film: RedactedFilm, recorded: Recorded[]): Stretch {
  const span = { start: BigInt(film.start_ns), end: BigInt(film.end_ns) };
  const own = recorded.filter((one) => one.camera === film.camera && one.stream === film.stream);
  const isWithin = own.some((one) => one.startNs <= span.start && span.start < one.endNs) && own.some((one) => one.startNs < span.end && span.end <= one.endNs);
  if (span.start >= span.end || !isWithin) throw new ProofError(`${film.name} is of a time of which the ledger committed to nothing`);
  return span;
}

/** Every byte of a film is what the manifest says. Its own signature stands there too, for whoever has the film alone. */
async function checkFilm(film: RedactedFilm, manifest: Redacted, certificate: Bytes, read: FilmReader): Promise<void> {
  let at = 0;
  for (const [size, digest] of film.pieces) {
    if (size <= 0 || at + size > film.size) throw new ProofError(`a piece of ${film.name} is longer than the film`);
    if (hex(await sha256(await read(film, at, size))) !== hex(bytes(digest))) throw new ProofError(`a piece of ${film.name} is not what was exported`);
    at += size;
  }
  const ending = filmSeal(filmLabels(manifest, film, BigInt(film.start_ns)), certificate, bytes(film.signature));
  if (at + ending.length !== film.size || !same(await read(film, at, ending.length), ending)) throw new ProofError(`${film.name} ends with something else than exports do`);
}

/** What of the asked stretch no film shows, or of which nothing was recorded, each with why. */
function holesIn(camera: string, spans: Stretch[], recorded: Recorded[], manifest: Redacted): Hole[] {
  const footage = inOrder(recorded.filter((one) => one.camera === camera).map((one) => ({ start: one.startNs, end: one.endNs })));
  const unseen = without(asked(manifest), spans);
  const missing = inOrder([...unseen, ...spans.flatMap((span) => without(span, footage))]);
  const absent = inOrder(manifest.absent.filter((one) => one.camera === camera).map((one) => ({ start: BigInt(one.start_ns), end: BigInt(one.end_ns), why: one.why })));
  return missing.flatMap((hole) => [
    ...absent
      .map(({ start, end, why }) => ({ camera, start: start > hole.start ? start : hole.start, end: end < hole.end ? end : hole.end, by: "city" as const, why }))
      .filter((one) => one.start < one.end),
    ...without(hole, absent).map((part) => ({ camera, ...part, by: "nothing" as const, why: "" })),
  ]);
}
