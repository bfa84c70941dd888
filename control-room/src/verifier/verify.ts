// Finds out what holds of an export, from the file alone. It goes the same way as `civicam verify`: each piece of footage
// is sealed again, and must come out as what the ledger committed to when it was recorded.

import { isSigned, parseCheckpoint, type Checkpoint } from "../ledger/checkpoint";
import { bytes, hex, leaf, ProofError, rootOf, same, sha256, type Bytes } from "../ledger/hashing";
import { readArchive, smallMember, type Member } from "./archive";
import { checkSignature } from "./certificate";
import { readLedger, readManifest, type Film, type Ledger, type Manifest, type Segment } from "./manifest";
import { checkFragment, placeOf, readFields, readSegment, type Fields, type Recorded } from "./recorded";

const MOST_BYTES = 256 << 20;
const SMALL = 4 << 20;
const MOST_HEAD = 1 << 20;
const AT_ONCE = 4;
const ENDING_BYTES_A_KEY = 19;
const OWN = ["manifest.json", "manifest.sig", "certificate.der", "ledger.json"];

/** A stretch without footage, in nanoseconds since 1970, and why: by the recording itself, or by the city's word. */
export interface Hole {
  camera: string;
  start: bigint;
  end: bigint;
  by: "recording" | "city" | "nothing";
  why: string;
}

export interface Verdict {
  manifest: Manifest;
  entry: number;
  logged: string;
  checkpoint: Checkpoint;
  witnesses: string[];
  holes: Hole[];
  films: { film: Film; video: Blob; startNs: bigint }[];
  count: number;
}

interface Checked {
  segment: number;
  fields: Fields;
  isLast: boolean;
}

type Facts = Record<string, unknown>;

export async function verify(file: Blob, progress: (done: number) => void): Promise<Verdict> {
  const members = await readArchive(file);
  const small = (name: string, most = SMALL): Promise<Bytes> => smallMember(file, members, name, most);
  const data = await small("manifest.json", MOST_BYTES);
  const manifest = readManifest(data);
  const certificate = await small("certificate.der");
  await checkSignature(certificate, data, await small("manifest.sig"));
  await checkMembers(manifest, members, small);
  const ledger = readLedger(await small("ledger.json", MOST_BYTES));
  const checkpoint = parseCheckpoint(ledger.checkpoint);
  if (!(await isSigned(checkpoint, manifest.ledger))) throw new ProofError("the ledger's key did not sign its tree");
  const entries = await provenEntries(ledger, checkpoint, manifest);
  const told = entries.get(ledger.export)!;
  if (told["kind"] !== "export" || told["manifest"] !== hex(await sha256(data)) || told["certificate"] !== hex(await sha256(certificate))) {
    throw new ProofError("the ledger's entry is of another export, or another certificate");
  }
  const recorded: Recorded[] = [];
  for (const segment of manifest.segments) recorded.push(await committed(segment, entries));
  const checked = new Map<string, Checked[]>();
  const films: Verdict["films"] = [];
  let done = 0;
  for (const film of manifest.files) {
    const found = await checkFilm(file, film, members, recorded, (more) => progress((done += more)));
    const stream = `${film.camera}/${film.stream}`;
    checked.set(stream, [...(checked.get(stream) ?? []), ...found]);
    const { offset, size } = members.get(film.name)!;
    films.push({ film, video: file.slice(offset, offset + size, "video/mp4"), startNs: found[0]!.fields.startNs });
  }
  const holes = [...checked].flatMap(([stream, found]) => holesIn(stream, found, recorded, manifest));
  for (const { id } of manifest.cameras) {
    if (manifest.files.every((film) => film.camera !== id)) holes.push({ camera: id, ...asked(manifest), by: "nothing", why: "" });
  }
  const origin = manifest.ledger.split("+")[0];
  return {
    manifest, entry: ledger.export, logged: String(told["at"]), checkpoint, holes, films,
    witnesses: checkpoint.signatures.map((one) => one.name).filter((name) => name !== origin),
    count: manifest.files.reduce((sum, film) => sum + film.fragments.length, 0),
  };
}

/** Nothing is in the package that the manifest does not list, and nothing is missing. */
async function checkMembers(manifest: Manifest, members: Map<string, Member>, small: (name: string) => Promise<Bytes>): Promise<void> {
  const listed = [...OWN, ...manifest.documents.map((one) => one.name), ...manifest.files.map((one) => one.name)];
  if (listed.length !== members.size || new Set(listed).size !== listed.length || listed.some((name) => !members.has(name))) {
    throw new ProofError("the package does not hold what it should");
  }
  for (const document of manifest.documents) {
    if (hex(await sha256(await small(document.name))) !== document.sha256) throw new ProofError(`${document.name} was altered`);
  }
}

/** What the entries say, once they are known to be in the tree. */
async function provenEntries(ledger: Ledger, checkpoint: Checkpoint, manifest: Manifest): Promise<Map<number, Facts>> {
  const wanted = new Set([ledger.export, ...manifest.segments.map((one) => one.proof.entry)]);
  const found = new Map<number, Facts>();
  for (const { index, data, proof } of ledger.entries) {
    const entry = bytes(data);
    const root = await rootOf(await leaf(entry), index, checkpoint.size, proof.map(hash));
    if (!same(root, checkpoint.root)) throw new ProofError(`entry ${index} is not in the ledger's tree`);
    found.set(index, JSON.parse(new TextDecoder().decode(entry)) as Facts);
  }
  if (found.size !== ledger.entries.length || found.size !== wanted.size || [...wanted].some((index) => !found.has(index))) {
    throw new ProofError("the ledger's entries are not those that the package needs");
  }
  return found;
}

/** A segment, once it is known that the ledger committed to it. */
async function committed(segment: Segment, entries: Map<number, Facts>): Promise<Recorded> {
  const { entry, index, size, hashes } = segment.proof;
  const facts = entries.get(entry);
  const found = await readSegment(segment);
  if (facts?.["kind"] !== "footage" || facts["segments"] !== size) throw new ProofError(`entry ${entry} of the ledger does not commit to this footage`);
  const root = await rootOf(found.leaf, index, size, hashes.map(hash));
  if (!same(root, hash(String(facts["root"])))) throw new ProofError(`entry ${entry} of the ledger does not commit to this footage`);
  return found;
}

function hash(base64: string): Bytes {
  const found = bytes(base64);
  if (found.length !== 32) throw new ProofError("a hash in the package has another length");
  return found;
}

/** A film's pieces, once each is what was recorded, and nothing else is in the film. */
async function checkFilm(file: Blob, film: Film, members: Map<string, Member>, recorded: Recorded[], progress: (more: number) => void): Promise<Checked[]> {
  const member = members.get(film.name)!;
  if (!film.name.startsWith("footage/") || member.size !== film.size || member.crc !== film.crc32 || film.head > Math.min(MOST_HEAD, film.size)) {
    throw new ProofError(`${film.name} is not as long as it was, or its CRC was altered`);
  }
  const slice = async (at: number, size: number): Promise<Bytes> => new Uint8Array(await file.slice(member.offset + at, member.offset + at + size).arrayBuffer());
  if (hex(await sha256(await slice(0, film.head))) !== film.head_sha256) throw new ProofError(`the beginning of ${film.name} was altered`);
  const found: Checked[] = [];
  const keys: [place: bigint, offset: number][] = [];
  const waiting = new Set<Promise<void>>();
  let at = film.head;
  for (const [segment, raw] of film.fragments) {
    const source = recorded[segment];
    const fields = readFields(raw);
    if (!source || source.camera !== film.camera || source.stream !== film.stream) throw new ProofError("a piece of footage is of another camera");
    const place = placeOf(fields.startNs, found[0]?.fields.startNs ?? fields.startNs);
    const from = at;
    const work = slice(from, fields.size).then((data) => checkFragment(data, fields, place, source)).then(() => progress(fields.size));
    const kept = work.finally(() => waiting.delete(kept));
    kept.catch(() => {}); // it is said by whoever waits for it
    waiting.add(kept);
    if (waiting.size >= AT_ONCE) await Promise.race(waiting);
    if (fields.isSync) keys.push([place, from]);
    at += fields.size;
    found.push({ segment, fields, isLast: fields.sequence === source.digests.length - 1 });
  }
  await Promise.all(waiting);
  if (!found.length) throw new ProofError(`${film.name} has no footage`);
  const ending = filmEnd(keys);
  if (!same(await slice(at, ending.length), ending) || at + ending.length !== film.size) throw new ProofError(`the end of ${film.name} was altered`);
  return found;
}

/** The `mfra` box of key pictures (ISO/IEC 14496-12, 8.8.9). */
function filmEnd(keys: [place: bigint, offset: number][]): Bytes {
  const table = 24 + keys.length * ENDING_BYTES_A_KEY;
  const data = new DataView(new ArrayBuffer(8 + table + 16));
  const put = (at: number, words: string): void => Array.from(words).forEach((one, n) => data.setUint8(at + n, one.charCodeAt(0)));
  data.setUint32(0, data.byteLength);
  put(4, "mfra");
  data.setUint32(8, table);
  put(12, "tfra");
  data.setUint8(16, 1);
  data.setUint32(20, 1);
  data.setUint32(28, keys.length);
  keys.forEach(([place, offset], n) => {
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

const nanoseconds = (moment: string): bigint => {
  const found = Date.parse(moment);
  if (Number.isNaN(found)) throw new ProofError("the package says a moment that is none");
  return BigInt(found) * 1_000_000n;
};

const asked = (manifest: Manifest): { start: bigint; end: bigint } => ({ start: nanoseconds(manifest.asked_from), end: nanoseconds(manifest.asked_to) });

/** The stretches without footage, each with why; throws `ProofError` where something was cut out, added or moved. */
function holesIn(stream: string, found: Checked[], recorded: Recorded[], manifest: Manifest): Hole[] {
  const [camera = ""] = stream.split("/");
  const absent = manifest.absent
    .filter((one) => `${one.camera}/${one.stream}` === stream)
    .map((one) => ({ start: BigInt(one.start_ns), end: BigInt(one.end_ns), why: one.why }));
  const { start, end } = asked(manifest);
  const seen = new Set<string>();
  const holes: Hole[] = [];
  let covered = start;
  found.forEach((one, at) => {
    const place = `${one.segment} ${one.fields.sequence}`;
    if (seen.has(place)) throw new ProofError(`a piece of ${camera} is in the package twice`);
    seen.add(place);
    if (at) checkOrder(camera, found[at - 1]!, one, recorded, absent);
    if (one.fields.isDamaged) return;
    if (one.fields.startNs > covered) {
      const told = absent.filter((other) => other.start < one.fields.startNs && other.end > covered);
      if (told.length) holes.push(...told.map((other) => ({ camera, ...other, by: "city" as const })));
      else holes.push({ camera, start: covered, end: one.fields.startNs, by: one.fields.cause ? "recording" : "nothing", why: one.fields.cause });
    }
    if (one.fields.endNs > covered) covered = one.fields.endNs;
  });
  if (covered < end) {
    const told = absent.filter((one) => one.end > covered);
    if (told.length) holes.push(...told.map((one) => ({ camera, ...one, by: "city" as const })));
    else holes.push({ camera, start: covered, end, by: "nothing", why: "" });
  }
  return holes;
}

/** A piece follows on the one before, or what is between is accounted for. */
function checkOrder(camera: string, before: Checked, one: Checked, recorded: Recorded[], absent: { start: bigint; end: bigint }[]): void {
  if (one.segment === before.segment && one.fields.sequence === before.fields.sequence + 1) return;
  const isNext = one.segment > before.segment && before.isLast && one.fields.sequence === 0;
  const hole = { start: before.fields.endNs, end: one.fields.startNs };
  const isExplained = hole.end - hole.start <= one.fields.gapNs;
  const goesOn = recorded[one.segment]!.startNs >= recorded[before.segment]!.startNs;
  if (isNext && isExplained && (goesOn || before.fields.isDamaged)) return;
  let open = hole.start;
  for (const other of [...absent].sort((a, b) => (a.start < b.start ? -1 : 1))) {
    if (other.start <= open && other.end > open) open = other.end;
  }
  if (hole.start < hole.end && one.segment >= before.segment && open >= hole.end) return;
  throw new ProofError(`footage of ${camera} was cut out, or put in another order`);
}
