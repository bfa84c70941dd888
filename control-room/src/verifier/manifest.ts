// What the package says of itself, and what the ledger says of it. Whatever is in there comes from who made the package,
// and is read as such: each field is looked at before it is used.

import { ProofError, same, text } from "../ledger/hashing";

/** A recorded segment, as the ledger committed to it. */
export interface Committed {
  header: string;
  index: string;
  size: number;
  end_ns: string;
  proof: { entry: number; index: number; size: number; hashes: string[] };
}

/** The same, with the key that seals it alone. */
export interface Segment extends Committed {
  key: string;
}

export interface Film {
  name: string;
  camera: string;
  stream: string;
  size: number;
  crc32: number;
  /** Its own signature (ONVIF Export File Format), base64. */
  signature: string;
}

export interface OriginalFilm extends Film {
  /** SHA-256 of all before its first fragment, base64: its credentials are in there. */
  opening: string;
  /** For each fragment its segment's place in `segments`, and its sealed fields, base64. */
  fragments: [number, string][];
}

export interface RedactedFilm extends Film {
  start_ns: string;
  end_ns: string;
  /** What it is made of, in order, but for its seal: bytes, and their SHA-256, base64. */
  pieces: [number, string][];
}

/** Where and when a redacted film shows what it would cover, in thousandths of the picture. */
export interface Area {
  camera: string;
  start_ns: string;
  end_ns: string;
  left: number;
  top: number;
  right: number;
  bottom: number;
}

interface Said {
  v: 1;
  number: string;
  city: string;
  ledger: string;
  exported: string;
  operator: string;
  recipient: string;
  case: string;
  asked_from: string;
  asked_to: string;
  cameras: { id: string; title: string; purpose: string; owner: string; legal_basis: string }[];
  absent: { camera: string; stream: string; start_ns: string; end_ns: string; why: string }[];
  documents: { name: string; sha256: string }[];
}

export interface Original extends Said {
  kind: "original";
  segments: Segment[];
  files: OriginalFilm[];
}

export interface Redacted extends Said {
  kind: "redacted";
  segments: Committed[];
  files: RedactedFilm[];
  shown: Area[];
}

export type Manifest = Original | Redacted;

export interface Ledger {
  v: 1;
  checkpoint: string;
  export: number;
  entries: { index: number; data: string; proof: string[] }[];
}

type Shape = string | [Shape] | { [name: string]: Shape };

const NANOSECONDS = /^(?:0|[1-9]\d{0,18})$/;
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const CAMERA = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const MOST_ABSENT = 10_000;
const MOST_SHOWN = 1000;
const LAST_YEAR = 2261; // later moments are beyond nanoseconds in 63 bits
const WORDS = ["number", "city", "ledger", "operator", "recipient", "case"];
const SAID = {
  v: "one", exported: "moment", asked_from: "moment", asked_to: "moment", ...Object.fromEntries(WORDS.map((name) => [name, "text"])),
  cameras: [{ id: "camera", title: "text", purpose: "text", owner: "text", legal_basis: "text" }],
  absent: [{ camera: "text", stream: "text", start_ns: "ns", end_ns: "ns", why: "text" }],
  documents: [{ name: "text", sha256: "text" }],
} satisfies Shape;
const COMMITTED = { header: "text", index: "text", size: "count", end_ns: "ns", proof: { entry: "count", index: "count", size: "count", hashes: ["text"] } } satisfies Shape;
const FILM = { name: "text", camera: "text", stream: "text", size: "count", crc32: "count", signature: "text" } satisfies Shape;
const AREA = { camera: "text", start_ns: "ns", end_ns: "ns", left: "thousandth", top: "thousandth", right: "thousandth", bottom: "thousandth" } satisfies Shape;
const MANIFESTS: Record<string, Shape> = {
  original: { ...SAID, kind: "text", segments: [{ ...COMMITTED, key: "text" }], files: [{ ...FILM, opening: "text", fragments: ["pair"] }] },
  redacted: { ...SAID, kind: "text", segments: [COMMITTED], files: [{ ...FILM, start_ns: "ns", end_ns: "ns", pieces: ["pair"] }], shown: [AREA] },
};
const LEDGER: Shape = { v: "one", checkpoint: "text", export: "count", entries: [{ index: "count", data: "text", proof: ["text"] }] };

const KINDS: Record<string, (value: unknown) => boolean> = {
  one: (value) => value === 1,
  moment: (value) => typeof value === "string" && MOMENT.test(value) && isMoment(value),
  camera: (value) => typeof value === "string" && CAMERA.test(value),
  text: (value) => typeof value === "string" && !/\p{Surrogate}/u.test(value),
  count: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  ns: (value) => typeof value === "string" && NANOSECONDS.test(value),
  thousandth: (value) => KINDS["count"]!(value) && (value as number) <= 1000,
  pair: (value) => Array.isArray(value) && value.length === 2 && KINDS["count"]!(value[0]) && typeof value[1] === "string",
};

function isMoment(text: string): boolean {
  const found = new Date(text);
  return !Number.isNaN(found.getTime()) && found.toISOString() === text && found.getUTCFullYear() >= 1970 && found.getUTCFullYear() <= LAST_YEAR;
}

function isOf(value: unknown, shape: Shape): boolean {
  if (typeof shape === "string") return KINDS[shape]!(value);
  if (Array.isArray(shape)) return Array.isArray(value) && value.every((one) => isOf(one, shape[0]!));
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const names = Object.keys(shape);
  return Object.keys(value).length === names.length && names.every((name) => name in value && isOf((value as Record<string, unknown>)[name], shape[name]!));
}

/** The one way to write it (RFC 8785, for what has strings, integers, lists and objects). */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const rows = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${rows.map(([name, one]) => `${JSON.stringify(name)}:${canonical(one)}`).join(",")}}`;
}

function parsed(data: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data));
  } catch {
    throw new ProofError(`${name} is not what an export has`);
  }
}

function read(value: unknown, data: Uint8Array, shape: Shape, name: string): unknown {
  if (!isOf(value, shape)) throw new ProofError(`${name} is not what an export has`);
  if (!same(text(canonical(value)), data)) throw new ProofError(`${name} is not written as exports write it`);
  return value;
}

export function readManifest(data: Uint8Array): Manifest {
  const name = "manifest.json";
  const value = parsed(data, name);
  const kind = (value as { kind?: unknown } | null)?.kind;
  const shape = Object.hasOwn(MANIFESTS, String(kind)) ? MANIFESTS[String(kind)] : undefined;
  if (!shape) throw new ProofError(`${name} is not what an export has`);
  const found = read(value, data, shape, name) as Manifest;
  const isTooMuch = found.absent.length > MOST_ABSENT || (found.kind === "redacted" && found.shown.length > MOST_SHOWN);
  if (!found.cameras.length || !found.segments.length || !found.files.length || isTooMuch) throw new ProofError("the package lists nothing, or too much");
  for (const file of found.files) {
    if (!(file as OriginalFilm).fragments?.length && !(file as RedactedFilm).pieces?.length) throw new ProofError(`${file.name} is of nothing`);
  }
  return found;
}

export const readLedger = (data: Uint8Array): Ledger => read(parsed(data, "ledger.json"), data, LEDGER, "ledger.json") as Ledger;
