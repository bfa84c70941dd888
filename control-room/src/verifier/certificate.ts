// A certificate's public key (RFC 5280, 4.1), and whether it made a signature.

import { ProofError, type Bytes } from "../ledger/hashing";

const SALT_BYTES = 20;
const SEQUENCE = 0x30;
const VERSION = 0xa0;
const FIELDS_BEFORE_KEY = 5; // serial number, signature algorithm, issuer, validity, subject

interface Element {
  tag: number;
  start: number;
  body: number;
  end: number;
}

/** The DER element that begins at `at` (X.690, 8.1). */
function element(data: Uint8Array, at: number): Element {
  const tag = data[at];
  let length = data[at + 1];
  if (tag === undefined || length === undefined) throw new ProofError("the certificate cannot be read");
  let body = at + 2;
  if (length & 0x80) {
    const width = length & 0x7f;
    if (width < 1 || width > 3) throw new ProofError("the certificate cannot be read");
    length = 0;
    for (let one = 0; one < width; one++) length = length * 256 + (data[body++] ?? 0);
  }
  if (body + length > data.length) throw new ProofError("the certificate cannot be read");
  return { tag, start: at, body, end: body + length };
}

function keyIn(certificate: Bytes): Bytes {
  const whole = element(certificate, 0);
  const signed = element(certificate, whole.body);
  let next = element(certificate, signed.body);
  if (next.tag === VERSION) next = element(certificate, next.end);
  for (let field = 0; field < FIELDS_BEFORE_KEY; field++) next = element(certificate, next.end);
  if (whole.tag !== SEQUENCE || signed.tag !== SEQUENCE || next.tag !== SEQUENCE) throw new ProofError("the certificate cannot be read");
  return certificate.slice(next.start, next.end);
}

/** Throws `ProofError` unless the certificate's RSA key made that RSASSA-PSS signature over `data`. */
export async function checkSignature(certificate: Bytes, data: Bytes, signature: Bytes): Promise<void> {
  let isRight = false;
  try {
    const key = await crypto.subtle.importKey("spki", keyIn(certificate), { name: "RSA-PSS", hash: "SHA-256" }, false, ["verify"]);
    isRight = await crypto.subtle.verify({ name: "RSA-PSS", saltLength: SALT_BYTES }, key, signature, data);
  } catch (error) {
    if (error instanceof ProofError) throw error;
    throw new ProofError("the certificate cannot be read");
  }
  if (!isRight) throw new ProofError("the signature is not that of the manifest");
}
