// What a camera has of a stretch: by hours over days, exactly within a day.

import { ask, GET } from "../api";
import { grade } from "../grade";
import { clockTime, coded, dayTime, percent, t } from "../words";

const HOUR_MS = 3_600_000;
const EXACT_MS = 24 * HOUR_MS;

/** A part of the timeline. Moments are milliseconds since 1970; the grade is from 0 (nothing is there) to 4. */
export interface Part {
  from: number;
  to: number;
  grade: number;
  words: string;
}

export interface Row {
  share: number | null;
  parts: Part[];
  /** Events of the camera's health. */
  marks: Omit<Part, "grade">[];
}

export function askRow(camera: string, start: number, end: number): Promise<Row> {
  const query = { from: new Date(start).toISOString(), to: new Date(end).toISOString() };
  return end - start > EXACT_MS ? byHours(camera, query) : exactly(camera, query, end);
}

async function byHours(camera: string, query: { from: string; to: string }): Promise<Row> {
  const found = await ask(() => GET("/api/cameras/{camera}/hours", { params: { path: { camera }, query } }));
  const first = Date.parse(found.from);
  const parts: Part[] = [];
  found.share.forEach((share, at) => {
    if (share === null) return;
    const from = first + at * HOUR_MS;
    const last = parts.at(-1);
    // Hours that are alike are one part: 720 rectangles a camera would make the page slow.
    if (last && last.to === from && last.grade === grade(share) && share > 0.9999) last.to = from + HOUR_MS;
    else parts.push({ from, to: from + HOUR_MS, grade: grade(share), words: t("playback.part", { from: dayTime(from), share: percent(share) }) });
  });
  const due = found.share.filter((share) => share !== null);
  return { share: due.length ? due.reduce((sum, share) => sum + share, 0) / due.length : null, parts, marks: [] };
}

async function exactly(camera: string, query: { from: string; to: string }, end: number): Promise<Row> {
  const found = await ask(() => GET("/api/cameras/{camera}/coverage", { params: { path: { camera }, query } }));
  const stretch = (one: { from: string; to: string | null }): { from: number; to: number } => ({
    from: Date.parse(one.from),
    to: one.to ? Date.parse(one.to) : end,
  });
  const said = (one: { from: string; to: string | null }): string =>
    t("view.stretch", { from: clockTime(one.from), to: one.to ? clockTime(one.to) : t("view.now") });
  return {
    share: found.completeness,
    parts: [
      ...found.playable.map((one) => ({ ...stretch(one), grade: 4, words: said(one) })),
      ...found.gaps.map((one) => ({ ...stretch(one), grade: 0, words: t("view.missing", { stretch: said(one), cause: coded("cause", one.cause) }) })),
    ],
    marks: found.health.map((one) => ({ ...stretch(one), words: `${said(one)}: ${coded("state", one.code)}` })),
  };
}
