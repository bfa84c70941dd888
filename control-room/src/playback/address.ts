// Where playback is: which cameras, when, and how much around it, as the address holds it.

const HOUR_MS = 3_600_000;

export interface Place {
  cameras: string[];
  at: number;
  span: number;
}

/** The address of that place, to be shared. */
export function addressOf({ cameras, at, span }: Place): string {
  const asked = new URLSearchParams({ cameras: cameras.join(","), at: new Date(at).toISOString(), span: String(span / HOUR_MS) });
  return `#/playback?${asked}`;
}
