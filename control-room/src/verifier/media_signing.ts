// Whether a camera signed its own pictures (ONVIF Media Signing): SEI messages with its UUID (ITU-T H.264, D.1.7).

const UUID = Uint8Array.of(0x00, 0x5b, 0xc9, 0x3f, 0x2d, 0x71, 0x5e, 0x95, 0xad, 0xa4, 0x79, 0x6f, 0x90, 0x87, 0x7a, 0x6f);
const USER_DATA = 5;
const SEI = 6;
const PREVENTION = 3;
const STOP = 0x80;
const MDAT = 0x6d646174;

/** How many such messages a recorded fragment (`moof` and `mdat`) holds; quick where there are none. */
export function signingMessages(fragment: Uint8Array): number {
  return holdsUuid(fragment) ? nalUnits(fragment).filter((nal) => (nal[0]! & 0x1f) === SEI).reduce((sum, nal) => sum + messages(nal), 0) : 0;
}

/** Emulation prevention puts no byte into it: its only zero is followed by a byte above 3. */
function holdsUuid(data: Uint8Array): boolean {
  for (let at = data.indexOf(UUID[1]!); at >= 0; at = data.indexOf(UUID[1]!, at + 1)) {
    if (at && data[at + 1] === UUID[2] && UUID.every((byte, n) => data[at - 1 + n] === byte)) return true;
  }
  return false;
}

/** The NAL units in the `mdat`, each of which stands behind its length; none where one is cut off. */
function nalUnits(fragment: Uint8Array): Uint8Array[] {
  const view = new DataView(fragment.buffer, fragment.byteOffset, fragment.byteLength);
  const [start, end] = media(view);
  const found: Uint8Array[] = [];
  for (let at = start; at < end; ) {
    const size = end - at >= 4 ? view.getUint32(at) : 0;
    at += 4;
    if (size <= 0 || size > end - at) return [];
    found.push(fragment.subarray(at, at + size));
    at += size;
  }
  return found;
}

/** Where the contents of the `mdat` begin and end; nothing where there is none. */
function media(view: DataView): [start: number, end: number] {
  for (let at = 0; view.byteLength - at >= 8; ) {
    const size = view.getUint32(at);
    if (size < 8 || size > view.byteLength - at) break;
    if (view.getUint32(at + 4) === MDAT) return [at + 8, at + size];
    at += size;
  }
  return [0, 0];
}

/** Without emulation prevention (7.4.1.1). */
function unescaped(nal: Uint8Array): Uint8Array {
  return nal.filter((byte, at) => !(byte === PREVENTION && at > 1 && nal[at - 1] === 0 && nal[at - 2] === 0));
}

/** The messages of an SEI NAL unit (7.3.2.3) that are signatures. */
function messages(nal: Uint8Array): number {
  const data = unescaped(nal.subarray(1));
  let at = 0;
  const number = (): number => {
    let value = 0;
    while (data[at] === 0xff) {
      value += 255;
      at += 1;
    }
    return value + (data[at++] ?? 0);
  };
  let count = 0;
  while (at < data.length && !(data[at] === STOP && at === data.length - 1)) {
    const kind = number();
    const size = number();
    if (size > data.length - at) break;
    if (kind === USER_DATA && size >= UUID.length && UUID.every((byte, n) => data[at + n] === byte)) count += 1;
    at += size;
  }
  return count;
}
