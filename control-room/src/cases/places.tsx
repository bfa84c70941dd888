// Where and when a redacted export shows who asked, or covers somebody after all: drawn on a picture, or typed.

import { useRef } from "preact/hooks";
import type { Grant } from "../api";
import { dayTime, localTime, t } from "../words";

/** A rectangle of a camera's picture in percent, and from when until when it is shown, as a form has them. */
export interface Place {
  /** It covers what would be shown, and does not show what would be covered. */
  covers: boolean;
  camera: string;
  from: string;
  to: string;
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const EDGES = ["left", "top", "right", "bottom"] as const;
const LONGEST_MS = 10_000; // somebody who walks is elsewhere soon
const SECOND_MS = 1000;
const TENTH = 10;

/** As it is sent, in thousandths; what a form has to the second ends with the stretch, which goes to the millisecond. */
export const sent = ({ covers: _, camera, from, to, ...edges }: Place, stretch: { from: string; to: string }) => ({
  camera,
  from: new Date(Math.max(Date.parse(from), Math.min(Date.parse(stretch.from), Date.parse(from) + SECOND_MS))).toISOString(),
  to: new Date(Math.min(Date.parse(to), Math.max(Date.parse(stretch.to), Date.parse(to) - SECOND_MS))).toISOString(),
  left: Math.round(edges.left * TENTH),
  top: Math.round(edges.top * TENTH),
  right: Math.round(edges.right * TENTH),
  bottom: Math.round(edges.bottom * TENTH),
});

/** One more place: it goes on where and when the last one ends. */
function following(places: Place[], grant: Grant): Place {
  const last = places.at(-1);
  const until = Date.parse(grant.to);
  const before = last ? Date.parse(last.to) : NaN;
  const start = Math.min(Number.isNaN(before) ? Date.parse(grant.from) : before, until - SECOND_MS);
  const end = Math.min(until, start + LONGEST_MS);
  const edges = last ?? { covers: false, camera: grant.cameras[0] ?? "", left: 40, top: 40, right: 60, bottom: 60 };
  return { ...edges, from: localTime(start), to: localTime(end) };
}

interface PlacesProps {
  grant: Grant;
  titles: Map<string, string>;
  places: Place[];
  onChange: (places: Place[]) => void;
}

export function Places({ grant, titles, places, onChange }: PlacesProps) {
  const put = (at: number, changed: Partial<Place>): void => onChange(places.map((one, n) => (n === at ? { ...one, ...changed } : one)));
  return (
    <fieldset class="places">
      <legend>{t("place.title")}</legend>
      <p class="quiet">{t("place.hint")}</p>
      <ol>
        {places.map((place, at) => (
          <li key={at}>
            <OnePlace place={place} number={at + 1} cameras={grant.cameras} titles={titles} onPut={(changed) => put(at, changed)} />
            <button type="button" onClick={() => onChange(places.filter((_, n) => n !== at))}>{t("place.remove", { number: at + 1 })}</button>
          </li>
        ))}
      </ol>
      <button type="button" onClick={() => onChange([...places, following(places, grant)])}>{t("place.add")}</button>
    </fieldset>
  );
}

interface OnePlaceProps {
  place: Place;
  number: number;
  cameras: string[];
  titles: Map<string, string>;
  onPut: (changed: Partial<Place>) => void;
}

function OnePlace({ place, number, cameras, titles, onPut }: OnePlaceProps) {
  const put = (name: keyof Place) => (event: { currentTarget: HTMLInputElement | HTMLSelectElement }): void => onPut({ [name]: event.currentTarget.value });
  return (
    <div role="group" aria-label={t("place.number", { number })}>
      <label>
        {t("place.what")}{" "}
        <select value={String(place.covers)} onChange={(event) => onPut({ covers: event.currentTarget.value === "true" })}>
          <option value="false">{t("place.shows")}</option>
          <option value="true">{t("place.covers")}</option>
        </select>
      </label>
      <label>
        {t("clear.camera")}{" "}
        <select value={place.camera} onChange={put("camera")}>
          {cameras.map((id) => <option key={id} value={id}>{titles.get(id) ?? id}</option>)}
        </select>
      </label>
      <label>{t("grant.from")} <input type="datetime-local" step="1" required value={place.from} onChange={put("from")} /></label>
      <label>{t("grant.to")} <input type="datetime-local" step="1" required value={place.to} onChange={put("to")} /></label>
      <Picture place={place} at={place.from} onPut={onPut} />
      <Picture place={place} at={place.to} onPut={onPut} />
      {EDGES.map((edge) => (
        <label key={edge}>
          {t(`place.${edge}`)}{" "}
          <input type="number" min="0" max="100" step="0.1" required value={place[edge]} onChange={(event) => onPut({ [edge]: Number(event.currentTarget.value) })} />
        </label>
      ))}
    </div>
  );
}

interface PictureProps {
  place: Place;
  /** At which end of its time. */
  at: string;
  onPut: (changed: Partial<Place>) => void;
}

/** The redacted picture at that time, on which the rectangle is drawn. */
function Picture({ place, at: local, onPut }: PictureProps) {
  const begun = useRef<{ x: number; y: number } | null>(null);
  const at = Number.isNaN(Date.parse(local)) ? "" : new Date(local).toISOString();
  const where = (event: PointerEvent): { x: number; y: number } => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const share = (value: number, length: number): number => Math.round(Math.min(1, Math.max(0, value / length)) * 1000) / TENTH;
    return { x: share(event.clientX - box.left, box.width), y: share(event.clientY - box.top, box.height) };
  };
  const draw = (event: PointerEvent): void => {
    if (!begun.current) return;
    const [one, other] = [begun.current, where(event)];
    onPut({ left: Math.min(one.x, other.x), top: Math.min(one.y, other.y), right: Math.max(one.x, other.x), bottom: Math.max(one.y, other.y) });
  };
  return (
    <div
      class="drawn"
      onPointerDown={(event) => {
        begun.current = where(event);
        (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
      }}
      onPointerMove={draw}
      onPointerCancel={() => { begun.current = null; }}
      onPointerUp={(event) => {
        draw(event);
        begun.current = null;
      }}
    >
      {at && <img draggable={false} src={`/api/cameras/${place.camera}/past.webp?${new URLSearchParams({ at })}`} alt={t("place.picture", { at: dayTime(at) })} />}
      <div class={place.covers ? "place covers" : "place"} aria-hidden="true" style={{ left: `${place.left}%`, top: `${place.top}%`, width: `${place.right - place.left}%`, height: `${place.bottom - place.top}%` }} />
    </div>
  );
}
