// How a film begins and ends: all of it follows from the recording and from what the manifest says (ONVIF Export File
// Format, 5, and ISO/IEC 14496-12).

import { concat, ProofError, same, text, type Bytes } from "../ledger/hashing";
import type { Film, Manifest } from "./manifest";
import { nanoseconds } from "./stretch";

const FROM_1904_S = 2_082_844_800n;
const FROM_1601_S = 11_644_473_600n;

export interface Labels {
  unit: string;
  operator: string;
  exportedNs: bigint;
  camera: string;
  stream: string;
  startNs: bigint;
}

/** What a film of an export says of itself. */
export const filmLabels = (manifest: Manifest, { camera, stream }: Film, startNs: bigint): Labels => ({
  unit: `civicam, ${manifest.city}`,
  operator: manifest.operator,
  exportedNs: nanoseconds(manifest.exported),
  camera,
  stream,
  startNs,
});

/** Big-endian numbers, each with its width in bytes. */
function numbers(...all: [width: number, value: number | bigint][]): Bytes {
  const data = new DataView(new ArrayBuffer(all.reduce((sum, [width]) => sum + width, 0)));
  let at = 0;
  for (const [width, value] of all) {
    if (width === 1) data.setUint8(at, Number(value));
    else if (width === 2) data.setUint16(at, Number(value));
    else if (width === 4) data.setUint32(at, Number(value));
    else data.setBigUint64(at, BigInt(value));
    at += width;
  }
  return new Uint8Array(data.buffer);
}

function box(kind: string, ...parts: Uint8Array[]): Bytes {
  const body = concat(...parts);
  return concat(numbers([4, 8 + body.length]), text(kind), body);
}

const fullBox = (kind: string, version: number, ...parts: Uint8Array[]): Bytes => box(kind, numbers([4, version << 24]), ...parts);
const ended = (words: string): Bytes => text(`${words.replaceAll("\0", "")}\0`);

const CREDENTIALS_BYTES = 16 * 1024;
const STORE_BYTES = CREDENTIALS_BYTES - 45; // behind the box's head
const C2PA = "d8fec3d61b0e483c92975828877ec481";

/** The box between `ftyp` and `moov` that has room for Content Credentials (C2PA 2.2, A.5), and none in it. */
function room(): Bytes {
  const uuid = Uint8Array.from(C2PA.match(/../g)!, (byte) => parseInt(byte, 16));
  const before = concat(numbers([4, CREDENTIALS_BYTES]), text("uuid"), uuid, new Uint8Array(4), text("manifest\0"), new Uint8Array(8));
  return concat(before, new Uint8Array(CREDENTIALS_BYTES - before.length));
}

/** A film's beginning, from the recording's `ftyp` and `moov`: how long it is, and whether something is one, whatever its credentials. */
export function filmOpening(init: Bytes): { size: number; isOne: (data: Bytes) => boolean } {
  const brand = box("ftyp", text("isom"), new Uint8Array(4), text("isom"), text("iso6"), text("mp41"));
  const empty = concat(brand, room(), moovOf(init));
  const end = brand.length + CREDENTIALS_BYTES;
  const start = end - STORE_BYTES;
  return { size: empty.length, isOne: (data) => same(data.slice(0, start), empty.slice(0, start)) && same(data.slice(end), empty.slice(end)) };
}

/** The film's end: the `meta` box, with who exported it, when its first frame was seen, signature and certificate. */
export function filmSeal(labels: Labels, certificate: Bytes, signature: Bytes): Bytes {
  const scheme = fullBox("schm", 0, text("oeff"), numbers([4, 0x00010000]));
  const protection = fullBox("ipro", 0, numbers([2, 1]), box("sinf", scheme, box("schi", box("sibo", signature), box("cert", certificate))));
  const handler = fullBox("hdlr", 0, new Uint8Array(4), text("null"), new Uint8Array(12), new Uint8Array(1));
  const exported = fullBox(
    "suep", 1, ended(labels.unit), ended(""), ended(""), numbers([8, labels.exportedNs / 1_000_000_000n + FROM_1904_S]), ended(labels.operator),
    numbers([4, 1], [2, 1]), ended(labels.camera), ended(""), ended(""), ended(labels.stream),
  );
  const started = box("cstb", numbers([4, 1], [4, 1], [8, labels.startNs / 100n + FROM_1601_S * 10_000_000n]));
  return fullBox("meta", 0, handler, exported, started, protection);
}

function moovOf(init: Bytes): Bytes {
  const view = new DataView(init.buffer);
  let at = 0;
  while (at + 8 <= init.length) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > init.length) break;
    if (new TextDecoder().decode(init.slice(at + 4, at + 8)) === "moov") return init.slice(at, at + size);
    at += size;
  }
  throw new ProofError("the recording has no moov box");
}
