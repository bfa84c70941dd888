// The package as civicam writes it: a ZIP archive of members stored as they are, laid out in one way only, so that any
// changed byte outside the members shows.

import { concat, ProofError, same, text, type Bytes } from "../ledger/hashing";
import type { Film } from "./manifest";

export interface Member {
  name: string;
  size: number;
  crc: number;
  /** Where its bytes begin in the file. */
  offset: number;
}

const VERSION = 45;
const UTF8 = 0x0800;
const DATE = 0x21;
const IN_64 = 0xffffffff;
const END64_BYTES = 56;
const ENDING_BYTES = END64_BYTES + 20 + 22;
const CENTRAL_BYTES = 46;
const MOST_DIRECTORY = 4 << 20;

type Listed = Omit<Member, "offset">;

/** Numbers in little-endian order, each with its width in bytes. */
function packed(...numbers: [width: number, value: number][]): Bytes {
  const data = new DataView(new ArrayBuffer(numbers.reduce((sum, [width]) => sum + width, 0)));
  let at = 0;
  for (const [width, value] of numbers) {
    if (width === 2) data.setUint16(at, value, true);
    else if (width === 4) data.setUint32(at, value, true);
    else data.setBigUint64(at, BigInt(value), true);
    at += width;
  }
  return new Uint8Array(data.buffer);
}

function localHeader({ name, size, crc }: Listed): Bytes {
  const named = text(name);
  return concat(
    packed([4, 0x04034b50], [2, VERSION], [2, UTF8], [2, 0], [2, 0], [2, DATE], [4, crc], [4, IN_64], [4, IN_64], [2, named.length], [2, 20]),
    named,
    packed([2, 1], [2, 16], [8, size], [8, size]),
  );
}

function directory(members: Listed[]): Bytes {
  const rows: Bytes[] = [];
  let at = 0;
  for (const one of members) {
    const named = text(one.name);
    rows.push(
      packed(
        [4, 0x02014b50], [2, VERSION], [2, VERSION], [2, UTF8], [2, 0], [2, 0], [2, DATE], [4, one.crc], [4, IN_64], [4, IN_64],
        [2, named.length], [2, 28], [2, 0], [2, 0], [2, 0], [4, 0], [4, IN_64],
      ),
      named,
      packed([2, 1], [2, 24], [8, one.size], [8, one.size], [8, at]),
    );
    at += localHeader(one).length + one.size;
  }
  const central = concat(...rows);
  const count = members.length;
  return concat(
    central,
    packed([4, 0x06064b50], [8, END64_BYTES - 12], [2, VERSION], [2, VERSION], [4, 0], [4, 0], [8, count], [8, count], [8, central.length], [8, at]),
    packed([4, 0x07064b50], [4, 0], [8, at + central.length], [4, 1]),
    packed([4, 0x06054b50], [2, 0], [2, 0], [2, 0xffff], [2, 0xffff], [4, IN_64], [4, IN_64], [2, 0]),
  );
}

async function slice(file: Blob, at: number, size: number): Promise<Bytes> {
  return new Uint8Array(await file.slice(at, at + size).arrayBuffer());
}

/** The members, once every byte outside them is known to be as it was written; throws `ProofError`. */
export async function readArchive(file: Blob): Promise<Map<string, Member>> {
  const listed = await listedIn(file);
  const members = new Map<string, Member>();
  let at = 0;
  for (const one of listed) {
    const header = localHeader(one);
    if (!same(await slice(file, at, header.length), header)) throw new ProofError(`the archive was altered before ${one.name}`);
    if (members.has(one.name)) throw new ProofError("two files in the package have one name");
    members.set(one.name, { ...one, offset: at + header.length });
    at += header.length + one.size;
  }
  const ending = directory(listed);
  if (at + ending.length !== file.size || !same(await slice(file, at, ending.length), ending)) {
    throw new ProofError("the archive's directory was altered");
  }
  return members;
}

/** What the directory lists; nothing of it is believed yet. */
async function listedIn(file: Blob): Promise<Listed[]> {
  const ending = file.size > ENDING_BYTES ? await slice(file, file.size - ENDING_BYTES, ENDING_BYTES) : new Uint8Array(ENDING_BYTES);
  const end = new DataView(ending.buffer);
  if (end.getUint32(0, true) !== 0x06064b50) throw new ProofError("this is no export of civicam, or its end is cut off");
  const [count, size, start] = [end.getBigUint64(32, true), end.getBigUint64(40, true), end.getBigUint64(48, true)];
  if (size > MOST_DIRECTORY || start + size + BigInt(ENDING_BYTES) !== BigInt(file.size)) {
    throw new ProofError("the archive's directory is not where its end says");
  }
  const central = await slice(file, Number(start), Number(size));
  const view = new DataView(central.buffer);
  const found: Listed[] = [];
  let at = 0;
  while (at < central.length) {
    if (at + CENTRAL_BYTES > central.length) throw new ProofError("the archive's directory is cut off");
    const [crc, length, extra] = [view.getUint32(at + 16, true), view.getUint16(at + 28, true), view.getUint16(at + 30, true)];
    at += CENTRAL_BYTES;
    if (extra !== 28 || at + length + extra > central.length) throw new ProofError("the archive's directory is not as it was written");
    const name = new TextDecoder().decode(central.slice(at, at + length));
    found.push({ name, size: Number(view.getBigUint64(at + length + 4, true)), crc });
    at += length + extra;
  }
  if (BigInt(found.length) !== count || found.reduce((sum, one) => sum + one.size, 0) > file.size) {
    throw new ProofError("the archive's directory lists what is not there");
  }
  return found;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let found = byte;
  for (let bit = 0; bit < 8; bit++) found = found & 1 ? (found >>> 1) ^ 0xedb88320 : found >>> 1;
  return found >>> 0;
});

function crcOf(data: Uint8Array): number {
  let found = 0xffffffff;
  for (const byte of data) found = (found >>> 8) ^ TABLE[(found ^ byte) & 0xff]!;
  return (found ^ 0xffffffff) >>> 0;
}

/** The bytes of a small member, held against their CRC; throws `ProofError`. */
export async function smallMember(file: Blob, members: Map<string, Member>, name: string, most: number): Promise<Bytes> {
  const member = members.get(name);
  if (!member) throw new ProofError(`the package has no ${name}`);
  if (member.size > most) throw new ProofError(`${name} is longer than it can be`);
  const data = await slice(file, member.offset, member.size);
  if (crcOf(data) !== member.crc) throw new ProofError(`${name} was altered, or its CRC`);
  return data;
}

/** Bytes of a film, from `at` on. */
export type FilmReader = (film: Film, at: number, size: number) => Promise<Bytes>;

/** Reads films, once each is as long as the manifest says; throws `ProofError`. */
export function filmReader(file: Blob, members: Map<string, Member>, films: Film[], progress: (done: number) => void): FilmReader {
  for (const { name, size, crc32 } of films) {
    const member = members.get(name);
    if (member?.size !== size || member.crc !== crc32) throw new ProofError(`${name} is not as long as it was, or its CRC was altered`);
  }
  let done = 0;
  return async ({ name }, at, size) => {
    const { offset } = members.get(name)!;
    const data = await slice(file, offset + at, size);
    progress((done += data.length));
    return data;
  };
}
