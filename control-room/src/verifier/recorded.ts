// What the recorder wrote: a segment's header and index, and a fragment's fields (docs/design/storage.md).

import { bytes, concat, hex, leaf, ProofError, sha256, text, type Bytes } from "../ledger/hashing";
import type { Committed } from "./manifest";

const FIELDS_BYTES = 68;
const HEADER_START = 12;
/** A segment's header, as recorders write it: magic, length, and JSON whose numbers are beyond what `JSON.parse` says exactly. */
const HEADER =
  /^CIVSEG01[^]{1,4}\{"camera":"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)","stream":"(main|sub)","segment_id":"[0-9a-f]{32}","epoch":\d{1,19},"start_wall_ns":(\d{1,19}),"created_wall_ns":\d{1,19},"codec":"[A-Za-z0-9.]{1,64}","width":\d{1,5},"height":\d{1,5},"init":"([A-Za-z0-9+/=]*)","key_day":"[0-9-]{10}"\}$/;
const INDEX_START = 8;
const ENTRY_BYTES = 40;
const KEY_BYTES = 32;
const SYNC = 1;
const DAMAGED = 2;
const TFDT_AT = 60;
const CAUSES = ["", "camera silent", "lost packets", "overload", "disk", "shut down", "crash", "damaged"];

export interface Recorded {
  camera: string;
  stream: string;
  startNs: bigint;
  headerDigest: Bytes;
  /** SHA-256 of each sealed fragment. */
  digests: string[];
  /** The `ftyp` and `moov` of its pictures, base64. */
  init: string;
  endNs: bigint;
  /** The hash with which the ledger committed to it. */
  leaf: Bytes;
}

export interface Fields {
  raw: Bytes;
  sequence: number;
  size: number;
  start90k: bigint;
  startNs: bigint;
  endNs: bigint;
  gapNs: bigint;
  cause: string;
  isSync: boolean;
  isDamaged: boolean;
}

export async function readSegment(segment: Committed): Promise<Recorded> {
  const [header, index] = [bytes(segment.header), bytes(segment.index)];
  const [, camera, stream, start, init] = HEADER.exec(new TextDecoder().decode(header)) ?? [];
  if (camera === undefined || stream === undefined || start === undefined || init === undefined || new DataView(header.buffer).getUint32(8) !== header.length - HEADER_START) {
    throw new ProofError("a segment's header is not as recorders write it");
  }
  const counted = index.length > INDEX_START ? new DataView(index.buffer).getUint32(4) : 0;
  if (!counted || index.length !== INDEX_START + counted * ENTRY_BYTES || new TextDecoder().decode(index.slice(0, 4)) !== "INDX") throw new ProofError("a segment's index was altered");
  const digests = Array.from({ length: (index.length - INDEX_START) / ENTRY_BYTES }, (_, at) => {
    const from = INDEX_START + at * ENTRY_BYTES + 8;
    return hex(index.slice(from, from + 32));
  });
  const digest = hex(await sha256(concat(header, index)));
  const written = `{"digest":"${digest}","end_ns":"${segment.end_ns}","size":${segment.size},"start_ns":"${start}","stream":"${camera}/${stream}"}`;
  return {
    camera,
    stream,
    init,
    startNs: BigInt(start),
    endNs: BigInt(segment.end_ns),
    headerDigest: await sha256(header),
    digests,
    leaf: await leaf(text(written)),
  };
}

/** What seals a segment. */
export async function readKey(base64: string): Promise<CryptoKey> {
  const key = bytes(base64);
  if (key.length !== KEY_BYTES) throw new ProofError("a segment's key was altered");
  return crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt"]);
}

export function readFields(base64: string): Fields {
  const raw = bytes(base64);
  const view = new DataView(raw.buffer);
  if (raw.length !== FIELDS_BYTES || view.getUint32(0) !== 0x46524147) throw new ProofError("a fragment has no fields of a recording");
  return {
    raw,
    sequence: view.getUint32(4),
    size: view.getUint32(8),
    start90k: view.getBigInt64(12),
    startNs: view.getBigInt64(28),
    endNs: view.getBigInt64(36),
    gapNs: view.getBigInt64(56),
    cause: CAUSES[view.getUint8(64)] ?? "",
    isSync: (view.getUint8(65) & SYNC) !== 0,
    isDamaged: (view.getUint8(65) & DAMAGED) !== 0,
  };
}

/** Where a fragment stands in its film, in 90 kHz from the first frame. */
export const placeOf = (startNs: bigint, firstNs: bigint): bigint => ((startNs - firstNs) * 9n) / 100_000n;

/** Throws `ProofError` unless the fragment, sealed again, is what its segment's index says. */
export async function checkFragment(data: Bytes, fields: Fields, place: bigint, source: Recorded, key: CryptoKey): Promise<void> {
  const digest = source.digests[fields.sequence];
  if (data.length !== fields.size || data.length < TFDT_AT + 8 || digest === undefined) throw new ProofError("a piece of footage is cut off, or of no place in its segment");
  const view = new DataView(data.buffer);
  if (place < 0n || view.getBigUint64(TFDT_AT) !== place) throw new ProofError("a piece of footage does not stand where it was recorded");
  view.setBigUint64(TFDT_AT, fields.start90k > 0n ? fields.start90k : 0n);
  const iv = new Uint8Array(12);
  new DataView(iv.buffer).setUint32(8, fields.sequence);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: concat(source.headerDigest, fields.raw) }, key, data);
  if (hex(await sha256(concat(fields.raw, new Uint8Array(sealed)))) !== digest) throw new ProofError("a piece of footage is not what was recorded");
}
