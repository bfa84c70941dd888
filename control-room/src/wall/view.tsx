// One camera, live or recorded.

import { useEffect, useRef, useState } from "preact/hooks";
import { ask, GET, named, type Camera, type Coverage } from "../api";
import { Dialog } from "../parts";
import { Live } from "../player/live";
import { Playback } from "../player/playback";
import { stepOf } from "../player/recording";
import { clockTime, coded, frameTime, localTime, percent, stateOf, t } from "../words";
import { Preview } from "./preview";
import { Speed } from "./speed";
import { liveUrl } from "./tile";

export const PLAYBACK_MS = 30 * 60 * 1000;
const HOUR_MS = 3_600_000;

export function View({ camera, onClose }: { camera: Camera | null; onClose: () => void }) {
  return (
    <Dialog id="view" title={camera ? named(camera) : ""} isOpen={camera !== null} onClose={onClose}>
      {camera && <Screen camera={camera} />}
    </Dialog>
  );
}

function Screen({ camera }: { camera: Camera }) {
  const video = useRef<HTMLVideoElement>(null);
  const slider = useRef<HTMLInputElement>(null);
  const still = useRef<HTMLParagraphElement>(null);
  const preview = useRef<Preview | null>(null);
  const player = useRef<Live | Playback | null>(null);
  const speed = useRef(1);
  const [said, say] = useState({ words: "", isBad: false });
  const [gap, tellGap] = useState("");
  const [clock, tellClock] = useState("");
  const [isLive, setLive] = useState(true);
  const [moment, setMoment] = useState(() => localTime(Date.now() - 60_000));

  const begin = (live: boolean): HTMLVideoElement => {
    player.current?.close();
    const shown = video.current!;
    shown.controls = !live;
    shown.playbackRate = 1;
    tellClock("");
    tellGap("");
    setLive(live);
    return shown;
  };
  const tell = (words: string, isBad: boolean): void => say({ words, isBad });
  const playLive = (): void => { player.current = new Live(begin(true), liveUrl(camera), tell); };
  const playRecorded = (from: Date, isPaused = false): void => {
    const until = new Date(Math.min(from.getTime() + PLAYBACK_MS, Date.now()));
    const asked = { from, until, speed: speed.current };
    player.current = new Playback(begin(false), camera, asked, { say: tell, gap: tellGap }, isPaused);
  };
  const recorded = (): Playback | null => (player.current instanceof Playback ? player.current : null);
  const changeSpeed = (chosen: number): void => {
    const wall = recorded()?.wall;
    speed.current = chosen;
    if (wall) playRecorded(new Date(wall));
  };
  /** One frame on or back; a recording that is played fast has not all frames, so it is first played slowly. */
  const step = (go: "back" | "forward"): void => {
    const playback = recorded();
    if (playback?.canStep) {
      void playback.step(go);
    } else if (playback?.wall) {
      speed.current = 1;
      playRecorded(new Date(playback.wall), true);
    }
  };
  const onKey = (event: KeyboardEvent): void => {
    const go = stepOf(event);
    if (!go || !recorded() || !video.current?.paused) return;
    event.preventDefault();
    step(go);
  };
  const onTime = (): void => {
    const wall = player.current?.wall ?? null;
    tellClock(wall === null ? "" : frameTime(wall));
    const playback = recorded();
    if (wall !== null && playback && video.current) preview.current?.set(video.current.currentTime, playback.duration);
  };
  useEffect(() => {
    preview.current = new Preview(slider.current!, still.current!, {
      wallAt: (time) => recorded()?.recording.wallAt(time) ?? 0,
      stillAt: (at) => `${camera.past}?${new URLSearchParams({ at })}`,
      seek: (time) => { if (video.current) video.current.currentTime = time; },
    });
    playLive();
    return () => player.current?.close();
  }, [camera.id]);

  return (
    <div onKeyDown={onKey}>
      <p id="view-purpose" class="quiet">{t("view.purpose", { purpose: camera.purpose })}</p>
      <div class="screen">
        <video id="video" ref={video} muted playsInline onTimeUpdate={onTime} aria-label={camera.title} />
        <p id="gap" class="gap" role="status" hidden={!gap}>{gap}</p>
      </div>
      <div id="recorded" hidden={isLive}>
        <div class="timeline">
          <input id="timeline" ref={slider} type="range" min="0" max="1" defaultValue="0" step="any" aria-label={t("view.moment")} />
          <p id="preview" ref={still} class="preview" hidden><img alt="" /><span /></p>
        </div>
        <button id="back" type="button" aria-keyshortcuts="," onClick={() => step("back")}>{t("view.back")} <kbd>,</kbd></button>
        <button id="forward" type="button" aria-keyshortcuts="." onClick={() => step("forward")}>{t("view.forward")} <kbd>.</kbd></button>
      </div>
      <p><span id="view-state" role="status" class={said.isBad ? "bad" : ""}>{said.words}</span> <span id="clock">{clock}</span></p>
      <form id="choose" onSubmit={(event) => { event.preventDefault(); playRecorded(new Date(moment)); }}>
        <button id="live" type="button" onClick={playLive}>{t("view.live")}</button>
        <label>
          {t("view.at")}
          <input id="moment" type="datetime-local" step="1" required value={moment} onInput={(event) => setMoment(event.currentTarget.value)} />
        </label>
        <button id="play">{t("view.play")}</button>
        <Speed id="speed" value={speed.current} onChange={changeSpeed} />
      </form>
      <Story camera={camera} />
    </div>
  );
}

function Story({ camera }: { camera: Camera }) {
  const [story, setStory] = useState<Coverage | null>(null);
  const [trouble, setTrouble] = useState("");
  const tellStory = (isOpen: boolean): void => {
    if (!isOpen) return;
    const now = Date.now();
    const query = { from: new Date(now - HOUR_MS).toISOString(), to: new Date(now).toISOString() };
    ask(() => GET("/api/cameras/{camera}/coverage", { params: { path: { camera: camera.id }, query } })).then(
      setStory,
      (error: Error) => setTrouble(error.message),
    );
  };
  const stretch = (one: { from: string; to: string | null }): string =>
    t("view.stretch", { from: clockTime(one.from), to: one.to ? clockTime(one.to) : t("view.now") });
  return (
    <details id="story" onToggle={(event) => tellStory(event.currentTarget.open)}>
      <summary>{t("view.story")}</summary>
      <ul id="gaps">
        {trouble && <li class="bad">{trouble}</li>}
        {story && <li>{t("view.playable", { share: percent(story.completeness) })}</li>}
        {story?.gaps.map((gap) => <li key={gap.from}>{t("view.missing", { stretch: stretch(gap), cause: coded("cause", gap.cause) })}</li>)}
        {story?.health.map((event) => <li key={event.from + event.code}>{stretch(event)}: {stateOf([{ code: event.code, since: null }])}</li>)}
      </ul>
    </details>
  );
}
