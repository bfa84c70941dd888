// Finds out what holds of an export, from the file alone. It goes the same way as `civicam verify`: each piece of footage
// is sealed again, and must come out as what the ledger committed to when it was recorded.

import { isSigned, parseCheckpoint, type Checkpoint } from "../ledger/checkpoint";
import { bytes, concat, hex, leaf, ProofError, rootOf, same, sha256, type Bytes } from "../ledger/hashing";
import { readArchive, smallMember, type Member } from "./archive";
import { checkSignature } from "./certificate";
import { filmOpening, filmSeal } from "./film";
import { readLedger, readManifest, type Film, type Ledger, type Manifest, type Segment } from "./manifest";
import { checkFragment, placeOf, readFields, readSegment, type Fields, type Recorded } from "./recorded";

const MOST_BYTES = 64 << 20;
const DOCUMENTS = ["statement.pdf", "statement.txt", "verify.html"];
const MINUTE_NS = 60_000_000_000n;
const SMALL = 4 << 20;
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
  /** How long after its end the ledger committed to some of it, at most. */
  lateNs: bigint;
  /** How many signatures of others stand under the tree; whose they are is not known here. */
  unchecked: number;
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
  const certificate = await small("certificate.der");
  await checkSignature(certificate, data, await small("manifest.sig"));
  const manifest = readManifest(data);
  await checkMembers(manifest, members, small);
  const ledger = readLedger(await small("ledger.json", MOST_BYTES));
  const checkpoint = parseCheckpoint(ledger.checkpoint);
  if (!(await isSigned(checkpoint, manifest.ledger))) throw new ProofError("the ledger's key did not sign its tree");
  const entries = await provenEntries(ledger, checkpoint, manifest);
  const told = entries.get(ledger.export)!;
  const ids = JSON.stringify(manifest.cameras.map((one) => one.id).sort());
  const isOfIt = told["kind"] === "export" && told["manifest"] === hex(await sha256(data)) && told["certificate"] === hex(await sha256(certificate));
  const isSaid = told["export"] === manifest.number && told["from"] === manifest.asked_from && told["to"] === manifest.asked_to && JSON.stringify(told["cameras"]) === ids;
  if (!isOfIt || !isSaid) throw new ProofError("the ledger's entry is of another export, or says something else of it");
  const recorded: Recorded[] = [];
  let lateNs = 0n;
  for (const segment of manifest.segments) {
    const found = await committed(segment, entries, ledger.export);
    const late = nanoseconds(String(entries.get(segment.proof.entry)!["at"])) - found.endNs;
    if (late < -MINUTE_NS) throw new ProofError("the ledger commits to footage before that was recorded");
    if (late > lateNs) lateNs = late;
    recorded.push(found);
  }
  if (new Set(recorded.map((one) => hex(one.leaf))).size !== recorded.length) throw new ProofError("a segment is in the package twice");
  const checked = new Map<string, Checked[]>();
  const films: Verdict["films"] = [];
  let done = 0;
  for (const film of manifest.files) {
    const found = await checkFilm(file, film, members, { recorded, manifest, certificate }, (more) => progress((done += more)));
    checked.set(film.camera, [...(checked.get(film.camera) ?? []), ...found]);
    const { offset, size } = members.get(film.name)!;
    films.push({ film, video: file.slice(offset, offset + size, "video/mp4"), startNs: found[0]!.fields.startNs });
  }
  const holes = manifest.cameras.flatMap(({ id }) => holesIn(id, checked.get(id) ?? [], recorded, manifest));
  return {
    manifest, entry: ledger.export, logged: String(told["at"]), checkpoint, holes, films,
    lateNs,
    unchecked: checkpoint.signatures.length - 1,
    count: manifest.files.reduce((sum, film) => sum + film.fragments.length, 0),
  };
}

/** Nothing is in the package that the manifest does not list, and nothing is missing. */
async function checkMembers(manifest: Manifest, members: Map<string, Member>, small: (name: string) => Promise<Bytes>): Promise<void> {
  const documents = manifest.documents.map((one) => one.name);
  const isKnown = documents.includes("statement.txt") && documents.every((name, at) => DOCUMENTS.includes(name) && (!at || documents[at - 1]! < name));
  if (!isKnown) throw new ProofError("the package has other documents than exports have");
  checkNames(manifest);
  const rest = [...OWN, ...manifest.documents.map((one) => one.name)].filter((name) => name !== "statement.txt").sort();
  const listed = ["statement.txt", ...rest, ...manifest.files.map((one) => one.name)];
  if ([...members.keys()].join("\n") !== listed.join("\n")) throw new ProofError("the package does not hold what it should, in the order in which it should");
  for (const document of manifest.documents) {
    if (hex(await sha256(await small(document.name))) !== document.sha256) throw new ProofError(`${document.name} was altered`);
  }
}

/** Cameras and films are called as exports call them, and there is one picture of each camera. */
function checkNames(manifest: Manifest): void {
  const cameras = new Set(manifest.cameras.map((one) => one.id));
  const streams = new Map<string, string>();
  const counts = new Map<string, number>();
  if (cameras.size !== manifest.cameras.length) throw new ProofError("a camera is listed twice");
  for (const { name, camera, stream } of manifest.files) {
    const number = (counts.get(camera) ?? 0) + 1;
    counts.set(camera, number);
    if (!cameras.has(camera) || name !== `footage/${camera}-${stream}-${number}.mp4`) throw new ProofError("a film is of a camera that is not listed, or is called in another way than exports do");
    if ((streams.get(camera) ?? stream) !== stream) throw new ProofError("there are two pictures of one camera in the package");
    streams.set(camera, stream);
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
async function committed(segment: Segment, entries: Map<number, Facts>, ordered: number): Promise<Recorded> {
  const { entry, index, size, hashes } = segment.proof;
  const facts = entries.get(entry);
  const found = await readSegment(segment);
  if (facts?.["kind"] !== "footage" || facts["segments"] !== size || entry >= ordered) throw new ProofError(`entry ${entry} of the ledger does not commit to this footage`);
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
interface Known {
  recorded: Recorded[];
  manifest: Manifest;
  certificate: Bytes;
}

async function checkFilm(file: Blob, film: Film, members: Map<string, Member>, { recorded, manifest, certificate }: Known, progress: (more: number) => void): Promise<Checked[]> {
  const member = members.get(film.name)!;
  if (member.size !== film.size || member.crc !== film.crc32) {
    throw new ProofError(`${film.name} is not as long as it was, or its CRC was altered`);
  }
  const slice = async (at: number, size: number): Promise<Bytes> => new Uint8Array(await file.slice(member.offset + at, member.offset + at + size).arrayBuffer());
  const kind = recorded[film.fragments[0]?.[0] ?? -1]?.init ?? "";
  const opening = filmOpening(bytes(kind));
  if (!same(await slice(0, opening.length), opening)) throw new ProofError(`${film.name} begins with something else than exports do`);
  const found: Checked[] = [];
  const keys: [place: bigint, offset: number][] = [];
  const waiting = new Set<Promise<void>>();
  let at = opening.length;
  for (const [segment, raw] of film.fragments) {
    const source = recorded[segment];
    const fields = readFields(raw);
    if (!source || source.camera !== film.camera || source.stream !== film.stream || source.init !== kind) throw new ProofError("a piece of footage is of another camera, or another kind");
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
  const labels = { unit: `civicam, ${manifest.city}`, operator: manifest.operator, exportedNs: nanoseconds(manifest.exported), camera: film.camera, stream: film.stream, startNs: found[0]!.fields.startNs };
  const ending = concat(filmEnd(keys), filmSeal(labels, certificate, bytes(film.signature)));
  if (!same(await slice(at, ending.length), ending) || at + ending.length !== film.size) throw new ProofError(`${film.name} ends with something else than exports do`);
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

type Stretch = { start: bigint; end: bigint };

/** What of `hole` none of `others` covers; they are in order. */
function without(hole: Stretch, others: Stretch[]): Stretch[] {
  const left: Stretch[] = [];
  let open = hole.start;
  for (const other of others) {
    if (other.end <= open || other.start >= hole.end) continue;
    if (other.start > open) left.push({ start: open, end: other.start });
    open = other.end;
  }
  if (open < hole.end) left.push({ start: open, end: hole.end });
  return left;
}

/** The stretches without footage, each with why; throws `ProofError` where something was cut out, added or moved. */
function holesIn(camera: string, found: Checked[], recorded: Recorded[], manifest: Manifest): Hole[] {
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
