// Finds out what holds of an export, from the file alone. It goes the same way as `civicam verify`: each piece of footage
// is sealed again, and must come out as what the ledger committed to when it was recorded.

import { isSigned, parseCheckpoint, type Checkpoint } from "../ledger/checkpoint";
import { bytes, hex, leaf, ProofError, rootOf, same, sha256, type Bytes } from "../ledger/hashing";
import { filmReader, readArchive, smallMember, type Member } from "./archive";
import { checkSignature } from "./certificate";
import { readLedger, readManifest, type Committed, type Ledger, type Manifest } from "./manifest";
import { checkOriginal } from "./original";
import { readSegment, type Recorded } from "./recorded";
import { checkRedacted, uncoveredPermille } from "./redacted";
import { asked, nanoseconds } from "./stretch";
import type { Verdict } from "./verdict";

const MOST_BYTES = 64 << 20;
const DOCUMENTS = ["statement.pdf", "statement.txt", "verify.html"];
const MINUTE_NS = 60_000_000_000n;
const SMALL = 4 << 20;
const OWN = ["manifest.json", "manifest.sig", "certificate.der", "ledger.json"];

type Facts = Record<string, unknown>;

export async function verify(file: Blob, progress: (done: number) => void): Promise<Verdict> {
  const members = await readArchive(file);
  const small = (name: string, most = SMALL): Promise<Bytes> => smallMember(file, members, name, most);
  const data = await small("manifest.json", MOST_BYTES);
  const certificate = await small("certificate.der");
  await checkSignature(certificate, data, await small("manifest.sig"));
  const manifest = readManifest(data);
  await checkMembers(manifest, members, small);
  checkStretches(manifest);
  const ledger = readLedger(await small("ledger.json", MOST_BYTES));
  const checkpoint = parseCheckpoint(ledger.checkpoint);
  if (!(await isSigned(checkpoint, manifest.ledger))) throw new ProofError("the ledger's key did not sign its tree");
  const entries = await provenEntries(ledger, checkpoint, manifest);
  const told = entries.get(ledger.export)!;
  const ids = JSON.stringify(manifest.cameras.map((one) => one.id).sort());
  const isOfIt = told["kind"] === "export" && told["what"] === "made" && told["media"] === manifest.kind && told["manifest"] === hex(await sha256(data)) && told["certificate"] === hex(await sha256(certificate));
  const isSaid = told["export"] === manifest.number && told["from"] === manifest.asked_from && told["to"] === manifest.asked_to && JSON.stringify(told["cameras"]) === ids;
  const isShown = manifest.kind !== "redacted" || (told["shown"] === manifest.shown.length && told["uncovered-permille"] === uncoveredPermille(manifest));
  if (!isOfIt || !isSaid || !isShown) throw new ProofError("the ledger's entry is of another export, or says something else of it");
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
  const read = filmReader(file, members, manifest.files, progress);
  const { films, holes, signed } = await (manifest.kind === "original" ? checkOriginal(manifest, certificate, recorded, read) : checkRedacted(manifest, certificate, recorded, read));
  return {
    manifest, entry: ledger.export, logged: String(told["at"]), checkpoint, holes, signed,
    films: films.map(({ film, startNs }) => {
      const { offset, size } = members.get(film.name)!;
      return { film, startNs, video: file.slice(offset, offset + size, "video/mp4") };
    }),
    lateNs,
    unchecked: checkpoint.signatures.length - 1,
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

/** What was asked for is a stretch, and so is what is absent, of a camera that is listed. */
function checkStretches(manifest: Manifest): void {
  const { start, end } = asked(manifest);
  const cameras = new Set(manifest.cameras.map((one) => one.id));
  if (start >= end) throw new ProofError("the stretch that was asked for is none");
  if (manifest.absent.some((one) => BigInt(one.start_ns) >= BigInt(one.end_ns) || !cameras.has(one.camera))) {
    throw new ProofError("what is absent is no stretch, or of a camera that is not listed");
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
async function committed(segment: Committed, entries: Map<number, Facts>, ordered: number): Promise<Recorded> {
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
