// Films as they were recorded: each piece, sealed again, is what the ledger committed to when it was recorded.

import { bytes, concat, hex, ProofError, same, sha256, type Bytes } from "../ledger/hashing";
import type { FilmReader } from "./archive";
import { signingMessages } from "./media_signing";
import { filmLabels, filmOpening, filmSeal } from "./film";
import type { Original, OriginalFilm } from "./manifest";
import { checkFragment, placeOf, readFields, readKey, type Fields, type Recorded } from "./recorded";
import { asked, without, type Stretch } from "./stretch";
import type { Hole, Found } from "./verdict";

const AT_ONCE = 4;
const ENDING_BYTES_A_KEY = 19;

interface Checked {
  segment: number;
  fields: Fields;
  isLast: boolean;
}

/** What is known when a film is looked at. */
interface Known {
  recorded: Recorded[];
  keys: CryptoKey[];
  manifest: Original;
  certificate: Bytes;
}

/** What there is of each camera, and what is missing; throws `ProofError`. */
export async function checkOriginal(manifest: Original, certificate: Bytes, recorded: Recorded[], read: FilmReader): Promise<Found> {
  const keys = await Promise.all(manifest.segments.map((one) => readKey(one.key)));
  const checked = new Map<string, Checked[]>();
  const films: Found["films"] = [];
  const signed = new Map<string, number>();
  for (const film of manifest.files) {
    const { found, signed: count } = await checkFilm(film, { recorded, keys, manifest, certificate }, read);
    checked.set(film.camera, [...(checked.get(film.camera) ?? []), ...found]);
    films.push({ film, startNs: found[0]!.fields.startNs });
    if (count) signed.set(film.camera, (signed.get(film.camera) ?? 0) + count);
  }
  const holes = manifest.cameras.flatMap(({ id }) => holesIn(id, checked.get(id) ?? [], recorded, manifest));
  return { films, holes, signed };
}

/** A film's pieces, once each is what was recorded, and nothing else is in the film; and how many signatures its camera sent. */
async function checkFilm(film: OriginalFilm, { recorded, keys, manifest, certificate }: Known, read: FilmReader): Promise<{ found: Checked[]; signed: number }> {
  const kind = recorded[film.fragments[0]?.[0] ?? -1]?.init ?? "";
  const opening = filmOpening(bytes(kind));
  const begin = await read(film, 0, opening.size);
  if (!opening.isOne(begin) || hex(await sha256(begin)) !== hex(bytes(film.opening))) throw new ProofError(`${film.name} begins with something else than exports do`);
  const found: Checked[] = [];
  const places: [place: bigint, offset: number][] = [];
  const waiting = new Set<Promise<void>>();
  let signed = 0;
  let at = opening.size;
  for (const [segment, raw] of film.fragments) {
    const [source, key] = [recorded[segment], keys[segment]];
    const fields = readFields(raw);
    if (!source || !key || source.camera !== film.camera || source.stream !== film.stream || source.init !== kind) throw new ProofError("a piece of footage is of another camera, or another kind");
    const place = placeOf(fields.startNs, found[0]?.fields.startNs ?? fields.startNs);
    const from = at;
    const work = read(film, from, fields.size).then((data) => {
      signed += signingMessages(data);
      return checkFragment(data, fields, place, source, key);
    });
    const kept = work.finally(() => waiting.delete(kept));
    kept.catch(() => {}); // it is said by whoever waits for it
    waiting.add(kept);
    if (waiting.size >= AT_ONCE) await Promise.race(waiting);
    if (fields.isSync) places.push([place, from]);
    at += fields.size;
    found.push({ segment, fields, isLast: fields.sequence === source.digests.length - 1 });
  }
  await Promise.all(waiting);
  if (!found.length) throw new ProofError(`${film.name} has no footage`);
  const labels = filmLabels(manifest, film, found[0]!.fields.startNs);
  const ending = concat(filmEnd(places), filmSeal(labels, certificate, bytes(film.signature)));
  if (!same(await read(film, at, ending.length), ending) || at + ending.length !== film.size) throw new ProofError(`${film.name} ends with something else than exports do`);
  return { found, signed };
}

/** The `mfra` box of key pictures (ISO/IEC 14496-12, 8.8.9). */
function filmEnd(places: [place: bigint, offset: number][]): Bytes {
  const table = 24 + places.length * ENDING_BYTES_A_KEY;
  const data = new DataView(new ArrayBuffer(8 + table + 16));
  const put = (at: number, words: string): void => Array.from(words).forEach((one, n) => data.setUint8(at + n, one.charCodeAt(0)));
  data.setUint32(0, data.byteLength);
  put(4, "mfra");
  data.setUint32(8, table);
  put(12, "tfra");
  data.setUint8(16, 1);
  data.setUint32(20, 1);
  data.setUint32(28, places.length);
  places.forEach(([place, offset], n) => {
    const at = 32 + n * ENDING_BYTES_A_KEY;
    data.setBigUint64(at, place);
    data.setBigUint64(at + 8, BigInt(offset));
    for (let one = 16; one < ENDING_BYTES_A_KEY; one++) data.setUint8(at + one, 1);
  });
  data.setUint32(8 + table, 16);
  put(12 + table, "mfro");
  data.setUint32(20 + table, data.byteLength);
  return new Uint8Array(data.buffer);
}

/** The stretches without footage, each with why; throws `ProofError` where something was cut out, added or moved. */
function holesIn(camera: string, found: Checked[], recorded: Recorded[], manifest: Original): Hole[] {
  const absent = manifest.absent
    .filter((one) => one.camera === camera)
    .map((one) => ({ start: BigInt(one.start_ns), end: BigInt(one.end_ns), why: one.why }))
    .sort((one, other) => (one.start < other.start ? -1 : 1));
  const { start, end } = asked(manifest);
  const seen = new Set<string>();
  const holes: Hole[] = [];
  /** A hole in parts: what the city says is absent, and the rest. */
  const explain = (hole: Stretch, by: Hole["by"], why: string): void => {
    if (hole.start >= hole.end) return;
    for (const one of absent) {
      const part = { start: one.start > hole.start ? one.start : hole.start, end: one.end < hole.end ? one.end : hole.end };
      if (part.start < part.end) holes.push({ camera, ...part, by: "city", why: one.why });
    }
    for (const part of without(hole, absent)) holes.push({ camera, ...part, by, why });
  };
  let covered = start;
  found.forEach((one, at) => {
    const { segment, fields } = one;
    const place = `${segment} ${fields.sequence}`;
    if (seen.has(place)) throw new ProofError(`a piece of ${camera} is in the package twice`);
    seen.add(place);
    if (at) checkOrder(camera, found[at - 1]!, one, recorded, absent);
    if (fields.isDamaged) return;
    if (fields.startNs > covered) {
      const told = fields.startNs - fields.gapNs > covered ? fields.startNs - fields.gapNs : covered;
      explain({ start: covered, end: told }, "nothing", "");
      explain({ start: told, end: fields.startNs }, "recording", fields.cause);
    }
    if (fields.endNs > covered) covered = fields.endNs;
  });
  explain({ start: covered, end }, "nothing", "");
  return holes;
}

/** A piece follows on the one before, or what is between is accounted for. */
function checkOrder(camera: string, before: Checked, one: Checked, recorded: Recorded[], absent: Stretch[]): void {
  if (one.segment === before.segment && one.fields.sequence === before.fields.sequence + 1) return;
  const goesOn = one.segment > before.segment && recorded[one.segment]!.startNs >= recorded[before.segment]!.startNs;
  const hole = { start: before.fields.endNs, end: one.fields.startNs };
  if (goesOn && before.isLast && one.fields.sequence === 0 && hole.end - hole.start <= one.fields.gapNs) return;
  const isSame = one.segment === before.segment && one.fields.sequence > before.fields.sequence;
  if ((goesOn || isSame) && hole.start < hole.end && !without(hole, absent).length) return;
  throw new ProofError(`footage of ${camera} was cut out, or put in another order`);
}
