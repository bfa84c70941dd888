// One timeline for up to nine cameras: days at a glance, and up close what is there and what is missing why.

import { useEffect, useRef, useState } from "preact/hooks";
import { ask, GET, isFound, named, type Camera } from "../api";
import { Trouble, useKept } from "../parts";
import { MOST_TOGETHER } from "../player/together";
import { dayTime, localTime, percent, t } from "../words";
import { TogetherView } from "../wall/together_view";
import { addressOf, type Place } from "./address";
import { askRow, type Row } from "./rows";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SPANS = [HOUR_MS, 6 * HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS];
const WIDTH = 1000;
const HEIGHT = 24;
const REST_MS = 150; // the moment rests so long before stills of it are asked for
const KEEP_MS = 30_000;
const ADDRESS_MS = 400; // the address follows when the moment rests: browsers do work at each change of it

/** What stands in the address, so that it can be shared. */
function fromAddress(): Place {
  const asked = new URLSearchParams(location.hash.split("?")[1] ?? "");
  const at = Date.parse(asked.get("at") ?? "");
  const span = Number(asked.get("span")) * HOUR_MS;
  return {
    cameras: (asked.get("cameras") ?? "").split(",").filter(Boolean).slice(0, MOST_TOGETHER),
    at: Number.isNaN(at) ? Date.now() - 60_000 : at,
    span: SPANS.includes(span) ? span : HOUR_MS,
  };
}

export function PlaybackPage() {
  const known = useKept(() => ask(() => GET("/api/cameras")), KEEP_MS);
  const [place, setPlace] = useState(fromAddress);
  const [end, setEnd] = useState(() => Math.min(Date.now(), place.at + place.span / 2));
  const [isPlaying, play] = useState(false);
  const [said, say] = useState("");
  const [wanted, want] = useState("");
  const isWanted = (camera: Camera): boolean => place.cameras.includes(camera.id) || isFound(camera, wanted);
  useEffect(() => {
    const follow = (): void => { if (location.hash.startsWith("#/playback?")) setPlace(fromAddress()); };
    window.addEventListener("hashchange", follow);
    return () => window.removeEventListener("hashchange", follow);
  }, []);
  const [isAsked] = useState(!place.cameras.length);
  const go = setPlace;
  useEffect(() => {
    const timer = window.setTimeout(() => history.replaceState(null, "", addressOf(place)), ADDRESS_MS);
    return () => window.clearTimeout(timer);
  }, [place]);
  const cameras = (known.data?.cameras ?? []).filter((camera) => place.cameras.includes(camera.id));
  const start = end - place.span;
  const choose = (id: string, isChosen: boolean): void => {
    const others = place.cameras.filter((one) => one !== id);
    if (!isChosen) go({ ...place, cameras: others });
    else if (others.length < MOST_TOGETHER) go({ ...place, cameras: [...others, id] });
  };
  const zoom = (span: number): void => {
    setEnd(Math.min(Date.now(), place.at + span / 2));
    go({ ...place, span });
  };
  const move = (to: number): void => {
    const next = Math.min(Date.now(), to);
    setEnd(next);
    go({ ...place, at: Math.min(next, Math.max(next - place.span, place.at)) });
  };
  const goTo = (at: number): void => {
    if (Number.isNaN(at)) return;
    if (at < start || at > end) setEnd(Math.min(Date.now(), at + place.span / 2));
    go({ ...place, at });
  };
  const share = async (): Promise<void> => {
    await navigator.clipboard.writeText(`${location.origin}/${addressOf(place)}`);
    say(t("playback.shared"));
  };
  return (
    <>
      <h2>{t("page.playback")}</h2>
      <Trouble words={known.trouble} />
      <details id="playback-cameras" class="card" open={isAsked}>
        <summary>{t("playback.cameras", { most: MOST_TOGETHER })}</summary>
        <label>{t("grant.find")} <input id="playback-find" type="search" value={wanted} onInput={(event) => want(event.currentTarget.value)} /></label>
        <div class="boxes">
          {known.data?.cameras.map((camera) => (
            <label key={camera.id} hidden={!isWanted(camera)}>
              <input type="checkbox" checked={place.cameras.includes(camera.id)} onChange={(event) => {
                choose(camera.id, event.currentTarget.checked);
                event.currentTarget.checked = place.cameras.includes(camera.id);
              }} /> {named(camera)}
            </label>
          ))}
        </div>
      </details>
      <form onSubmit={(event) => event.preventDefault()}>
        <label>
          {t("playback.span")}
          <select id="span" value={place.span} onChange={(event) => zoom(Number(event.currentTarget.value))}>
            {SPANS.map((span) => <option key={span} value={span}>{spanned(span)}</option>)}
          </select>
        </label>
        <button type="button" onClick={() => move(end - place.span / 2)}>{t("playback.earlier")}</button>
        <button type="button" onClick={() => move(end + place.span / 2)}>{t("playback.later")}</button>
        <button type="button" onClick={() => move(Date.now())}>{t("playback.today")}</button>
        <label>
          {t("playback.moment")}
          <input id="at" type="datetime-local" step="1" value={localTime(place.at)} onChange={(event) => goTo(new Date(event.currentTarget.value).getTime())} />
        </label>
        <button id="play-here" type="button" class="main" disabled={!cameras.length} onClick={() => play(true)}>{t("playback.play")}</button>
        <button type="button" onClick={() => void share().catch((error: Error) => say(error.message))}>{t("playback.share")}</button>
        <span role="status">{said}</span>
      </form>
      {cameras.length ? (
        <Rows cameras={cameras} start={start} end={end} at={place.at} onMove={goTo} />
      ) : (
        <p class="quiet">{t("playback.none")}</p>
      )}
      <TogetherView cameras={isPlaying ? cameras : []} at={place.at} onClose={() => play(false)} />
    </>
  );
}

const spanned = (span: number): string =>
  span < DAY_MS ? t("playback.hours", { hours: span / HOUR_MS }) : t("playback.days", { days: span / DAY_MS });

interface RowsProps {
  cameras: Camera[];
  start: number;
  end: number;
  at: number;
  onMove: (at: number) => void;
}

function Rows({ cameras, start, end, at, onMove }: RowsProps) {
  const x = ((at - start) / (end - start)) * 100;
  return (
    <div class="rows">
      {cameras.map((camera) => <CameraRow key={camera.id} camera={camera} start={start} end={end} onMove={onMove} />)}
      <div class="row">
        <span />
        <input
          id="scrub"
          type="range"
          min={start}
          max={end}
          step={1000}
          value={at}
          aria-label={t("playback.moment")}
          aria-valuetext={dayTime(at)}
          onInput={(event) => onMove(Number(event.currentTarget.value))}
        />
      </div>
      <div class="row" aria-hidden="true">
        <span />
        <span class="scale"><span>{dayTime(start)}</span><output id="scrub-at" style={{ "--at": `${x}%` }}>{dayTime(at)}</output><span>{dayTime(end)}</span></span>
      </div>
      <div class="stills">{cameras.map((camera) => <PastStill key={camera.id} camera={camera} at={at} />)}</div>
    </div>
  );
}

function CameraRow({ camera, start, end, onMove }: Omit<RowsProps, "cameras" | "at"> & { camera: Camera }) {
  const kept = useKept(() => askRow(camera.id, start, end), KEEP_MS, [camera.id, start, end]);
  const row: Row = kept.data ?? { share: null, parts: [], marks: [] };
  const onClick = (event: MouseEvent): void => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    onMove(start + ((event.clientX - box.left) / box.width) * (end - start));
  };
  const scaled = (moment: number): number => ((Math.min(end, Math.max(start, moment)) - start) / (end - start)) * WIDTH;
  const words = t("playback.row", { title: camera.title, share: row.share === null ? "–" : percent(row.share) });
  return (
    <div class="row" data-camera={camera.id}>
      <span>{named(camera)}</span>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={words} onClick={onClick}>
        {row.parts.map((part) => (
          <rect key={part.from} class={`heat-${part.grade}`} x={scaled(part.from)} width={Math.max(0.5, scaled(part.to) - scaled(part.from))} height={HEIGHT}>
            <title>{part.words}</title>
          </rect>
        ))}
        {row.marks.map((mark) => (
          <rect key={mark.from + mark.words} class="mark" x={scaled(mark.from)} width={Math.max(2, scaled(mark.to) - scaled(mark.from))} height={5}>
            <title>{mark.words}</title>
          </rect>
        ))}
      </svg>
      {kept.trouble && <span class="bad" role="alert">{kept.trouble}</span>}
    </div>
  );
}

/** A small still of a moment; while it moves, none is asked for. */
function PastStill({ camera, at }: { camera: Camera; at: number }) {
  const image = useRef<HTMLImageElement>(null);
  const second = Math.floor(at / 1000) * 1000;
  useEffect(() => {
    const gone = new AbortController();
    const timer = window.setTimeout(async () => {
      const answer = await fetch(`${camera.past}?${new URLSearchParams({ at: new Date(second).toISOString() })}`, { signal: gone.signal }).catch(() => null);
      if (!image.current) return;
      if (image.current.src) URL.revokeObjectURL(image.current.src);
      if (answer?.ok) image.current.src = URL.createObjectURL(await answer.blob());
      else image.current.removeAttribute("src");
    }, REST_MS);
    return () => {
      window.clearTimeout(timer);
      gone.abort();
    };
  }, [camera.id, second]);
  return <img ref={image} alt={t("playback.still", { title: camera.title, at: dayTime(second) })} />;
}
