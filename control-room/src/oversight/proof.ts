// Checks an entry of the ledger in this browser: its place in the tree (RFC 6962, 2.1.1) and the checkpoint's signature
// (C2SP tlog-tiles, tlog-checkpoint, signed-note). Nothing that the server says of it is believed.

import { parseCheckpoint, type Checkpoint } from "../ledger/checkpoint";
import { leaf, node, ProofError, same, type Bytes } from "../ledger/hashing";

const WIDTH = 256;
const HEIGHT = 8;
const HASH_BYTES = 32;

export async function readCheckpoint(): Promise<Checkpoint> {
  return parseCheckpoint(await (await file("checkpoint")).text());
}

/** The bytes of an entry, once they are shown to be in the tree; throws `ProofError`. */
export async function provenEntry(checkpoint: Checkpoint, index: number): Promise<Bytes> {
  if (!(index >= 0 && index < checkpoint.size)) throw new ProofError("the tree that the city signed has no such entry");
  const entry = await readEntry(checkpoint.size, index);
  const reader = new Tiles(checkpoint.size);
  const root = await rootWith(reader, 0, checkpoint.size, index, await leaf(entry));
  if (!same(root, checkpoint.root)) throw new ProofError("this entry is not in the tree that the city signed");
  return entry;
}

/** The root of the leaves from `start` to `end`, of which leaf `index` is `leaf` and all else comes from the tiles. */
async function rootWith(tiles: Tiles, start: number, end: number, index: number, hash: Bytes): Promise<Bytes> {
  if (index < start || index >= end) return tiles.root(start, end);
  if (end - start === 1) return hash;
  const half = start + split(end - start);
  const [left, right] = await Promise.all([rootWith(tiles, start, half, index, hash), rootWith(tiles, half, end, index, hash)]);
  return node(left, right);
}

/** The largest power of two below `count`. */
function split(count: number): number {
  let half = 1;
  while (half * 2 < count) half *= 2;
  return half;
}

class Tiles {
  private readonly kept = new Map<string, Promise<Bytes>>();

  constructor(private readonly size: number) {}

  /** The root of the leaves from `start` to `end`, out of whole nodes. */
  async root(start: number, end: number): Promise<Bytes> {
    const count = end - start;
    const level = Math.log2(count);
    if (Number.isInteger(level)) return this.node(level, start / count);
    const half = start + split(count);
    const [left, right] = await Promise.all([this.root(start, half), this.root(half, end)]);
    return node(left, right);
  }

  private async node(level: number, index: number): Promise<Bytes> {
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

  private tile(level: number, number: number): Promise<Bytes> {
    const width = Math.min(WIDTH, Math.floor(this.size / 2 ** (level * HEIGHT)) - number * WIDTH);
    const path = `tile/${level}/${numbered(number, width)}`;
    const whole = `tile/${level}/${numbered(number, WIDTH)}`;
    const found = this.kept.get(path) ?? either(path, whole);
    this.kept.set(path, found);
    return found;
  }
}

async function readEntry(size: number, index: number): Promise<Bytes> {
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
async function either(part: string, whole: string): Promise<Bytes> {
  const answer = await fetch(`/ledger/${part}`);
  const found = answer.status === 404 && part !== whole ? await file(whole) : answer;
  if (!found.ok) throw new Error(`a file of the ledger cannot be had: ${part}`);
  return new Uint8Array(await found.arrayBuffer());
}
