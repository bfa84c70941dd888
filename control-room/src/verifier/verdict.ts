// What holds of an export, and what does not.

import type { Checkpoint } from "../ledger/checkpoint";
import type { Film, Manifest } from "./manifest";

/** A stretch without footage, in nanoseconds since 1970, and why: by the recording itself, or by the city's word. */
export interface Hole {
  camera: string;
  start: bigint;
  end: bigint;
  by: "recording" | "city" | "nothing";
  why: string;
}

/** What films there are, when each begins, and what is missing. */
export interface Found {
  films: { film: Film; startNs: bigint }[];
  holes: Hole[];
  /** How many signatures of their own cameras sent, by camera; they were not checked. */
  signed: Map<string, number>;
}

export interface Verdict {
  manifest: Manifest;
  entry: number;
  logged: string;
  checkpoint: Checkpoint;
  /** How long after its end the ledger committed to some of it, at most. */
  lateNs: bigint;
  /** How many signatures of others stand under the tree; whose they are is not known here. */
  unchecked: number;
  holes: Hole[];
  signed: Map<string, number>;
  films: { film: Film; video: Blob; startNs: bigint }[];
}
