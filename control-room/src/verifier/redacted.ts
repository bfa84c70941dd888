// Redacted films: they were coded anew, so nothing of them follows from what was recorded. They are what the city made,
// of segments that the ledger had committed to.

import { bytes, hex, ProofError, same, sha256, type Bytes } from "../ledger/hashing";
import type { FilmReader } from "./archive";
import { filmLabels, filmSeal } from "./film";
import type { Area, Redacted, RedactedFilm } from "./manifest";
import type { Recorded } from "./recorded";
import { asked, inOrder, without, type Stretch } from "./stretch";
import type { Found, Hole } from "./verdict";

const MOST_PIECE_BYTES = 64 << 20;

/** How much of its pictures and its time its areas uncover, in thousandths, rounded up; what two of them share counts twice. */
export function uncoveredPermille(manifest: Redacted): number {
  const { start, end } = asked(manifest);
  const part = (one: Area): bigint => (BigInt(one.end_ns) - BigInt(one.start_ns)) * BigInt((one.right - one.left) * (one.bottom - one.top));
  const sum = manifest.shown.reduce((before, one) => before + part(one), 0n);
  const whole = 1000n * BigInt(manifest.cameras.length) * (end - start);
  return Math.min(1000, Number((sum + whole - 1n) / whole));
}

/** What there is of each camera, and what is missing; throws `ProofError`. */
export async function checkRedacted(manifest: Redacted, certificate: Bytes, recorded: Recorded[], read: FilmReader): Promise<Found> {
  const cameras = new Set(manifest.cameras.map((one) => one.id));
  const streams = new Map(manifest.files.map((one) => [one.camera, one.stream]));
  if (recorded.some((one) => !cameras.has(one.camera) || (streams.get(one.camera) ?? one.stream) !== one.stream)) {
    throw new ProofError("a segment is of a camera that is not listed, or of another picture of it");
  }
  for (const area of manifest.shown) checkArea(area, cameras, asked(manifest));
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

function checkArea(area: Area, cameras: Set<string>, { start, end }: Stretch): void {
  const [from, to] = [BigInt(area.start_ns), BigInt(area.end_ns)];
  const isOne = area.left < area.right && area.top < area.bottom && start <= from && from < to && to <= end;
  if (!isOne || !cameras.has(area.camera)) throw new ProofError("a place that is shown is none, or beyond what was asked for");
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
    if (size <= 0 || size > MOST_PIECE_BYTES || at + size > film.size) throw new ProofError(`a piece of ${film.name} is longer than the film, or than pieces are`);
    if (hex(await sha256(await read(film, at, size))) !== hex(bytes(digest))) throw new ProofError(`a piece of ${film.name} is not what was exported`);
    at += size;
  }
  const ending = filmSeal(filmLabels(manifest, film, BigInt(film.start_ns)), certificate, bytes(film.signature));
  if (at + ending.length !== film.size || !same(await read(film, at, ending.length), ending)) throw new ProofError(`${film.name} ends with something else than exports do`);
}

/** What of the asked stretch no film shows, of which nothing was recorded, or which is covered, each with why. */
function holesIn(camera: string, spans: Stretch[], recorded: Recorded[], manifest: Redacted): Hole[] {
  const whole = asked(manifest);
  const footage = inOrder(recorded.filter((one) => one.camera === camera).map((one) => ({ start: one.startNs, end: one.endNs })));
  const absent = inOrder(manifest.absent.filter((one) => one.camera === camera).map((one) => ({ start: BigInt(one.start_ns), end: BigInt(one.end_ns), why: one.why })));
  const told = absent
    .map(({ start, end, why }) => ({ camera, start: start > whole.start ? start : whole.start, end: end < whole.end ? end : whole.end, by: "city" as const, why }))
    .filter((one) => one.start < one.end);
  const shown = without(whole, without(whole, spans)).flatMap((span) => without(span, without(span, footage)));
  const rest = without(whole, inOrder([...shown, ...absent])).map((part) => ({ camera, ...part, by: "nothing" as const, why: "" }));
  return inOrder([...told, ...rest]);
}
