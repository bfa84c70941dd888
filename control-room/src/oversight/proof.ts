// Checks an entry of the ledger in this browser: its place in the tree (RFC 6962, 2.1.1) and the checkpoint's signature
// (C2SP tlog-tiles, tlog-checkpoint, signed-note). Nothing that the server says of it is believed.

const WIDTH = 256;
const HEIGHT = 8;
const HASH_BYTES = 32;
const ED25519 = 1;

/** A signed tree. */
export interface Checkpoint {
  origin: string;
  size: number;
  root: Uint8Array<ArrayBuffer>;
  body: string;
  signatures: { name: string; data: Uint8Array<ArrayBuffer> }[];
}

export class ProofError extends Error {}

export async function readCheckpoint(): Promise<Checkpoint> {
  const text = await (await file("checkpoint")).text();
  const cut = text.indexOf("\n\n");
  const lines = text.slice(0, cut).split("\n");
  const signatures = text.slice(cut + 2).split("\n").filter(Boolean).map((line) => {
    const [, name, data] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? [];
    if (!name || !data) throw new ProofError("the checkpoint's signatures cannot be read");
    return { name, data: bytes(data) };
  });
  const size = Number(lines[1]);
  if (!Number.isSafeInteger(size)) throw new ProofError("the checkpoint cannot be read");
  return { origin: lines[0] ?? "", size, root: bytes(lines[2] ?? ""), body: `${text.slice(0, cut)}\n`, signatures };
}

/** Whether the city's key (`name+id+key`) signed it. */
export async function isSigned(checkpoint: Checkpoint, verifier: string): Promise<boolean> {
  const [name, , ...rest] = verifier.split("+");
  const key = bytes(rest.join("+"));
  if (key[0] !== ED25519) return false;
  const id = (await sha256(concat(text(`${name}\n`), key))).slice(0, 4);
  const found = checkpoint.signatures.find((one) => one.name === name && one.data.slice(0, 4).every((byte, at) => byte === id[at]));
  if (!found) return false;
  const imported = await crypto.subtle.importKey("raw", key.slice(1), "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", imported, found.data.slice(4), text(checkpoint.body));
}

/** The bytes of an entry, once they are shown to be in the tree; throws `ProofError`. */
export async function provenEntry(checkpoint: Checkpoint, index: number): Promise<Uint8Array<ArrayBuffer>> {
  if (!(index >= 0 && index < checkpoint.size)) throw new ProofError("the tree that the city signed has no such entry");
  const entry = await readEntry(checkpoint.size, index);
  const reader = new Tiles(checkpoint.size);
  const root = await rootWith(reader, 0, checkpoint.size, index, await sha256(concat(Uint8Array.of(0), entry)));
  if (!same(root, checkpoint.root)) throw new ProofError("this entry is not in the tree that the city signed");
  return entry;
}

/** The root of the leaves from `start` to `end`, of which leaf `index` is `leaf` and all else comes from the tiles. */
async function rootWith(tiles: Tiles, start: number, end: number, index: number, leaf: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  if (index < start || index >= end) return tiles.root(start, end);
  if (end - start === 1) return leaf;
  const half = start + split(end - start);
  const [left, right] = await Promise.all([rootWith(tiles, start, half, index, leaf), rootWith(tiles, half, end, index, leaf)]);
  return node(left, right);
}

/** The largest power of two below `count`. */
function split(count: number): number {
  let half = 1;
  while (half * 2 < count) half *= 2;
  return half;
}

class Tiles {
  private readonly kept = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

  constructor(private readonly size: number) {}

  /** The root of the leaves from `start` to `end`, out of whole nodes. */
  async root(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const count = end - start;
    const level = Math.log2(count);
    if (Number.isInteger(level)) return this.node(level, start / count);
    const half = start + split(count);
    const [left, right] = await Promise.all([this.root(start, half), this.root(half, end)]);
    return node(left, right);
  }

  private async node(level: number, index: number): Promise<Uint8Array<ArrayBuffer>> {
    const above = level % HEIGHT;
    const start = index * 2 ** above;
    const tile = await this.tile((level - above) / HEIGHT, Math.floor(start / WIDTH));
    const first = start % WIDTH;
    let hashes = Array.from({ length: 2 ** above }, (_, at) => tile.slice((first + at) * HASH_BYTES, (first + at + 1) * HASH_BYTES));
    if (hashes.at(-1)?.length !== HASH_BYTES) throw new ProofError("a tile of the ledger is too short");
    while (hashes.length > 1) {
      const pairs = hashes.filter((_, at) => at % 2 === 0).map((left, at) => node(left, hashes[at * 2 + 1]!));
      hashes = await Promise.all(pairs);
    }
    return hashes[0]!;
  }

  private tile(level: number, number: number): Promise<Uint8Array<ArrayBuffer>> {
    const width = Math.min(WIDTH, Math.floor(this.size / 2 ** (level * HEIGHT)) - number * WIDTH);
    const path = `tile/${level}/${numbered(number, width)}`;
    const whole = `tile/${level}/${numbered(number, WIDTH)}`;
    const found = this.kept.get(path) ?? either(path, whole);
    this.kept.set(path, found);
    return found;
  }
}

async function readEntry(size: number, index: number): Promise<Uint8Array<ArrayBuffer>> {
  const number = Math.floor(index / WIDTH);
  const width = Math.min(WIDTH, size - number * WIDTH);
  const data = await either(`tile/entries/${numbered(number, width)}`, `tile/entries/${numbered(number, WIDTH)}`);
  let at = 0;
  for (let left = index % WIDTH; left >= 0; left--) {
    const start = at + 2;
    const end = start + ((data[at] ?? 0) << 8) + (data[at + 1] ?? 0);
    if (end > data.length) throw new ProofError("the ledger's entries cannot be read");
    if (left === 0) return data.slice(start, end);
    at = end;
  }
  throw new ProofError("there is no such entry");
}

function numbered(number: number, width: number): string {
  const groups = [String(number % 1000).padStart(3, "0")];
  for (let rest = Math.floor(number / 1000); rest > 0; rest = Math.floor(rest / 1000)) groups.unshift(`x${String(rest % 1000).padStart(3, "0")}`);
  return groups.join("/") + (width === WIDTH ? "" : `.p/${width}`);
}

async function file(path: string): Promise<Response> {
  const answer = await fetch(`/ledger/${path}`);
  if (!answer.ok) throw new Error(`a file of the ledger cannot be had: ${path}`);
  return answer;
}

/** A partial tile, or the whole one that took its place since (C2SP tlog-tiles, partial tiles). */
async function either(part: string, whole: string): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await fetch(`/ledger/${part}`);
  const found = answer.status === 404 && part !== whole ? await file(whole) : answer;
  if (!found.ok) throw new Error(`a file of the ledger cannot be had: ${part}`);
  return new Uint8Array(await found.arrayBuffer());
}

const text = (words: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(words) as Uint8Array<ArrayBuffer>;
const bytes = (base64: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
const same = (one: Uint8Array, other: Uint8Array): boolean => one.length === other.length && one.every((byte, at) => byte === other[at]);
const sha256 = async (data: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await crypto.subtle.digest("SHA-256", data));
const node = (left: Uint8Array, right: Uint8Array): Promise<Uint8Array<ArrayBuffer>> => sha256(concat(Uint8Array.of(1), left, right));

function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
