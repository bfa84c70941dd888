// Stretches of time, in nanoseconds since 1970.

import { ProofError } from "../ledger/hashing";
import type { Manifest } from "./manifest";

export const nanoseconds = (moment: string): bigint => {
  const found = Date.parse(moment);
  if (Number.isNaN(found)) throw new ProofError("the package says a moment that is none");
  return BigInt(found) * 1_000_000n;
};

export const asked = (manifest: Manifest): { start: bigint; end: bigint } => ({ start: nanoseconds(manifest.asked_from), end: nanoseconds(manifest.asked_to) });

export type Stretch = { start: bigint; end: bigint };

/** What of `hole` none of `others` covers; they are in order. */
export function without(hole: Stretch, others: Stretch[]): Stretch[] {
  const left: Stretch[] = [];
  let open = hole.start;
  for (const other of others) {
    if (other.end <= open || other.start >= hole.end) continue;
    if (other.start > open) left.push({ start: open, end: other.start });
    open = other.end;
  }
  if (open < hole.end) left.push({ start: open, end: hole.end });
  return left;
}

/** By their start. */
export const inOrder = <One extends Stretch>(all: One[]): One[] => all.sort((one, other) => (one.start < other.start ? -1 : 1));
