// Several cameras' recordings in step.

import { useEffect, useRef, useState } from "preact/hooks";
import { named, wordsOf, type Camera } from "../api";
import { Dialog } from "../parts";
import { stepOf } from "../player/recording";
import { Together } from "../player/together";
import { frameTime, localTime, t } from "../words";
import { Speed } from "./speed";
import { PLAYBACK_MS } from "./view";

interface TogetherProps {
  cameras: Camera[];
  /** Where it begins, in milliseconds since 1970; a minute ago without. */
  at?: number;
  onClose: () => void;
}

export function TogetherView({ cameras, at, onClose }: TogetherProps) {
  return (
    <Dialog id="together" title={t("together.title")} isOpen={cameras.length > 0} onClose={onClose}>
      {cameras.length > 0 && <Screens cameras={cameras} at={at ?? Math.floor((Date.now() - 60_000) / 1000) * 1000} />}
    </Dialog>
  );
}

function Screens({ cameras, at }: { cameras: Camera[]; at: number }) {
  const videos = useRef(new Map<string, HTMLVideoElement>());
  const slider = useRef<HTMLInputElement>(null);
  const group = useRef<Together | null>(null);
  const speed = useRef(1);
  const [gaps, setGaps] = useState<Record<string, string>>({});
  const [clock, tellClock] = useState("");
  const [said, say] = useState("");
  const [isPlaying, setPlaying] = useState(true);
  const [moment, setMoment] = useState(() => localTime(at));

  const tellTime = (time: number): void => {
    if (!slider.current || !group.current) return;
    const words = frameTime(group.current.wallAt(time));
    if (!slider.current.matches(":active")) slider.current.value = String(time);
    slider.current.setAttribute("aria-valuetext", words);
    tellClock(words);
  };
  const play = (from: Date): void => {
    group.current?.close();
    const until = new Date(Math.min(from.getTime() + PLAYBACK_MS, Date.now()));
    const places = cameras.flatMap((camera) => {
      const video = videos.current.get(camera.id);
      const tell = (words: string): void => setGaps((all) => (all[camera.id] === words ? all : { ...all, [camera.id]: words }));
      return video ? [{ camera, video, say: tell }] : [];
    });
    group.current = new Together(places, { from, until, speed: speed.current }, tellTime);
    if (slider.current) slider.current.max = String(group.current.duration);
    setPlaying(true);
  };
  useEffect(() => {
    play(new Date(moment));
    return () => group.current?.close();
  }, []);
  const changeSpeed = (chosen: number): void => {
    speed.current = chosen;
    if (group.current) play(new Date(group.current.wall));
  };
  const pause = (): void => {
    if (!group.current) return;
    group.current.isPlaying = !group.current.isPlaying;
    setPlaying(group.current.isPlaying);
  };
  /** One frame on or back; a recording that is played fast has not all frames, so it is first played slowly. */
  const step = (go: "back" | "forward"): void => {
    const known = group.current;
    if (!known) return;
    if (!known.canStep) {
      changeSpeed(1);
      return;
    }
    setPlaying(false);
    known.step(go).then((isFound) => say(isFound ? "" : t("recording.noframe")), (error: unknown) => say(wordsOf(error)));
  };
  const onKey = (event: KeyboardEvent): void => {
    const go = stepOf(event);
    if (!go) return;
    event.preventDefault();
    step(go);
  };
  return (
    <div onKeyDown={onKey}>
      <div id="screens" class={cameras.length > 4 ? "nine" : ""}>
        {cameras.map((camera) => (
          <figure key={camera.id}>
            <figcaption>{named(camera)}</figcaption>
            <div class="screen">
              <video
                ref={(element) => { if (element) videos.current.set(camera.id, element); }}
                muted
                playsInline
                aria-label={camera.title}
              />
              <p class="gap" role="status" hidden={!gaps[camera.id]}>{gaps[camera.id]}</p>
            </div>
          </figure>
        ))}
      </div>
      <input
        id="together-timeline"
        ref={slider}
        type="range"
        min="0"
        max="1"
        defaultValue="0"
        step="any"
        aria-label={t("together.moment")}
        onInput={(event) => group.current?.seek(Number(event.currentTarget.value))}
      />
      <p><span id="together-clock">{clock}</span> <span id="together-said" role="status">{said}</span></p>
      <form id="together-choose" onSubmit={(event) => { event.preventDefault(); play(new Date(moment)); }}>
        <button id="together-pause" type="button" onClick={pause}>{isPlaying ? t("together.pause") : t("together.on")}</button>
        <button id="together-back" type="button" aria-keyshortcuts="," onClick={() => step("back")}>{t("view.back")} <kbd>,</kbd></button>
        <button id="together-forward" type="button" aria-keyshortcuts="." onClick={() => step("forward")}>{t("view.forward")} <kbd>.</kbd></button>
        <label>
          {t("view.at")}
          <input id="together-moment" type="datetime-local" step="1" required value={moment} onInput={(event) => setMoment(event.currentTarget.value)} />
        </label>
        <button id="together-play">{t("view.play")}</button>
        <Speed id="together-speed" value={speed.current} onChange={changeSpeed} />
      </form>
    </div>
  );
}
