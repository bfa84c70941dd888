// A signed tree of the ledger (C2SP tlog-checkpoint, signed-note, tlog-cosignature).

import { bytes, concat, hex, ProofError, sha256, text, type Bytes } from "./hashing";

const ED25519 = 1;
const COSIGNATURE = 4;
const TIME_BYTES = 8;

export interface Checkpoint {
  origin: string;
  size: number;
  root: Bytes;
  body: string;
  signatures: { name: string; data: Bytes }[];
}

export function parseCheckpoint(note: string): Checkpoint {
  const cut = note.indexOf("\n\n");
  const lines = note.slice(0, cut).split("\n");
  const signed = note.slice(cut + 2);
  if (!signed.endsWith("\n")) throw new ProofError("the checkpoint is cut off");
  const signatures = signed.slice(0, -1).split("\n").map((line) => {
    const [, name, data] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? [];
    if (!name || !data) throw new ProofError("the checkpoint's signatures cannot be read");
    return { name, data: bytes(data) };
  });
  const size = Number(lines[1]);
  if (cut < 0 || lines.length !== 3 || !/^\d+$/.test(lines[1] ?? "") || !Number.isSafeInteger(size)) throw new ProofError("the checkpoint cannot be read");
  return { origin: lines[0] ?? "", size, root: bytes(lines[2] ?? ""), body: `${note.slice(0, cut)}\n`, signatures };
}

/** Whether the key (`name+id+key`) of the city, or of a witness, signed it. */
export async function isSigned(checkpoint: Checkpoint, verifier: string): Promise<boolean> {
  const [name, id, ...rest] = verifier.trim().split("+");
  const key = bytes(rest.join("+"));
  if (key[0] !== ED25519 && key[0] !== COSIGNATURE) return false;
  const known = (await sha256(concat(text(`${name}\n`), key))).slice(0, 4);
  if (id !== hex(known)) return false;
  const found = checkpoint.signatures.find((one) => one.name === name && one.data.slice(0, 4).every((byte, at) => byte === known[at]));
  if (!found) return false;
  const imported = await crypto.subtle.importKey("raw", key.slice(1), "Ed25519", false, ["verify"]);
  if (key[0] === ED25519) return crypto.subtle.verify("Ed25519", imported, found.data.slice(4), text(checkpoint.body));
  const time = new DataView(found.data.buffer).getBigUint64(4);
  const signed = text(`cosignature/v1\ntime ${time}\n${checkpoint.body}`);
  return crypto.subtle.verify("Ed25519", imported, found.data.slice(4 + TIME_BYTES), signed);
}
