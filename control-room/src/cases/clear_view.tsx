// Clear video under a grant, with who sees it, for which case, and when, across the picture.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Grant } from "../api";
import { Dialog } from "../parts";
import { Clear } from "../player/clear";
import { me } from "../session";
import { dayTime, t, type Key } from "../words";

interface ClearViewProps {
  grant: Grant | null;
  titles: Map<string, string>;
  /** Whether it is known now that the grant still holds. */
  isSure: boolean;
  onClose: () => void;
}

export function ClearView({ grant, titles, isSure, onClose }: ClearViewProps) {
  return (
    <Dialog id="clear" title={grant ? t("clear.title", { number: grant.id }) : ""} isOpen={grant !== null} onClose={onClose}>
      {grant && <Screen grant={grant} titles={titles} isSure={isSure} />}
    </Dialog>
  );
}

function Screen({ grant, titles, isSure }: { grant: Grant; titles: Map<string, string>; isSure: boolean }) {
  const [camera, choose] = useState(grant.cameras[0] ?? "");
  const [said, say] = useState("");
  const [wall, tell] = useState<number | null>(null);
  const video = useRef<HTMLVideoElement>(null);
  const [isOver, end] = useState(false);
  const holds = grant.state === "approved" && isSure && !isOver;
  useEffect(() => {
    // It ends by itself when its time has come, whether anybody can be asked then or not.
    const left = grant.until ? Date.parse(grant.until) - Date.now() : 0;
    const timer = window.setTimeout(() => end(true), Math.max(0, left));
    return () => window.clearTimeout(timer);
  }, [grant.until]);
  useEffect(() => {
    if (!video.current || !camera || !holds) return undefined;
    say("");
    const player = new Clear(video.current, { camera, grant: grant.id, from: grant.from, to: grant.to }, { say, at: tell });
    return () => player.close();
  }, [camera, grant.id, holds]);
  const mark = [me.value?.name, grant.case || t("glass.title"), wall === null ? "" : dayTime(wall)].filter(Boolean).join(" · ");
  return (
    <>
      <label>
        {t("clear.camera")}{" "}
        <select value={camera} onChange={(event) => choose(event.currentTarget.value)}>
          {grant.cameras.map((id) => <option key={id} value={id}>{titles.get(id) ?? id}</option>)}
        </select>
      </label>
      <div class="screen">
        {holds && <video id="clear-video" ref={video} muted playsInline controls aria-label={titles.get(camera) ?? camera} />}
        {holds && <p id="watermark" class="watermark" aria-hidden="true"><span>{mark}</span><span>{mark}</span><span>{mark}</span></p>}
      </div>
      <p id="clear-state" role="alert" class={said || !holds ? "bad" : ""}>
        {holds ? said : isSure ? t("clear.over", { state: t(`grant.${isOver ? "expired" : grant.state}` as Key) }) : t("clear.unsure")}
      </p>
      {wall !== null && <p class="quiet">{t("clear.told", { mark })}</p>}
    </>
  );
}
