// Bytes, and hashes of them (RFC 6962, 2.1).

export type Bytes = Uint8Array<ArrayBuffer>;

export class ProofError extends Error {}

export const text = (words: string): Bytes => new TextEncoder().encode(words) as Bytes;
export const same = (one: Uint8Array, other: Uint8Array): boolean => one.length === other.length && one.every((byte, at) => byte === other[at]);
export const sha256 = async (data: Bytes): Promise<Bytes> => new Uint8Array(await crypto.subtle.digest("SHA-256", data));
export const leaf = (data: Uint8Array): Promise<Bytes> => sha256(concat(Uint8Array.of(0), data));
export const node = (left: Uint8Array, right: Uint8Array): Promise<Bytes> => sha256(concat(Uint8Array.of(1), left, right));
export const hex = (data: Uint8Array): string => Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Throws `ProofError` where it is no base64, or written in another way than the usual one. */
export function bytes(base64: string): Bytes {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64)) throw new ProofError("something is not base64");
  const found = atob(base64);
  if (btoa(found) !== base64) throw new ProofError("something is base64 in another way than exports write it");
  return Uint8Array.from(found, (one) => one.charCodeAt(0));
}

export function concat(...parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The root that a proof leads to from a leaf's hash (RFC 9162, 2.1.3.2); throws `ProofError` where none can. */
export async function rootOf(hash: Bytes, index: number, size: number, proof: Uint8Array[]): Promise<Bytes> {
  if (!(index >= 0 && index < size)) throw new ProofError("a tree has no such leaf");
  let [at, last, found] = [index, size - 1, hash];
  for (const one of proof) {
    if (last === 0) throw new ProofError("a proof is too long");
    if (at % 2 === 1 || at === last) {
      found = await node(one, found);
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, Math.floor(last / 2)];
    } else {
      found = await node(found, one);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  if (last !== 0) throw new ProofError("a proof is too short");
  return found;
}
