// One camera of the wall: its still, and live while it has the focus.

import { useEffect, useRef, useState } from "preact/hooks";
import { named, type Camera } from "../api";
import { Live } from "../player/live";
import { clockTime, stateOf, t } from "../words";
import { stills } from "./stills";

const REST_MS = 700; // the focus rests so long before the tile goes live

interface TileProps {
  camera: Camera;
  isChosen: boolean;
  isShown: boolean;
  onChoose: (isChosen: boolean) => void;
  onOpen: () => void;
  onMove: (by: number) => void;
}

export const liveUrl = (camera: Camera): string =>
  `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${camera.live}`;

export function Tile({ camera, isChosen, isShown, onChoose, onOpen, onMove }: TileProps) {
  const image = useRef<HTMLImageElement>(null);
  const [isFocused, focus] = useState(false);
  const isSilent = camera.conditions[0]?.code === "silent"; // since when, its still's own time says
  const clock = useRef<HTMLTimeElement>(null);
  const tell = (seen: string): void => {
    if (!clock.current) return;
    clock.current.dateTime = seen;
    clock.current.textContent = clockTime(seen);
  };
  useEffect(() => (image.current ? stills.keep(camera, image.current, tell) : undefined), [camera.id]);
  const onKey = (event: KeyboardEvent): void => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !event.shiftKey) return;
    event.preventDefault();
    onMove(by);
  };
  return (
    <li
      data-camera={camera.id}
      draggable
      onDragStart={(event) => event.dataTransfer?.setData("text/plain", camera.id)}
    >
      <button
        type="button"
        aria-keyshortcuts="Shift+ArrowLeft Shift+ArrowRight"
        onClick={onOpen}
        onFocus={() => focus(true)}
        onBlur={() => focus(false)}
        onMouseEnter={() => focus(true)}
        onMouseLeave={() => focus(false)}
        onKeyDown={onKey}
      >
        <span class="picture">
          <img ref={image} alt="" />
          {isFocused && !isShown && <LiveTile camera={camera} />}
        </span>
        <span class="name">{named(camera)}</span>
        <span class={camera.is_bad ? "said bad" : "said"}>{isSilent ? t("state.silent", { since: "" }) : stateOf(camera.conditions)} <time ref={clock} /></span>
      </button>
      <label>
        <input type="checkbox" checked={isChosen} onChange={(event) => {
          onChoose(event.currentTarget.checked);
          event.currentTarget.checked = isChosen;
        }} />
        <span class="unseen">{named(camera)}: </span>{t("wall.together")}
      </label>
    </li>
  );
}

function LiveTile({ camera }: { camera: Camera }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    let live: Live | null = null;
    const timer = window.setTimeout(() => { if (video.current) live = new Live(video.current, liveUrl(camera), () => {}); }, REST_MS);
    return () => {
      window.clearTimeout(timer);
      live?.close();
    };
  }, [camera.id]);
  return <video ref={video} muted playsInline aria-hidden="true" />;
}
