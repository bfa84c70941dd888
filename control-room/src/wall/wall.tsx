// The wall: every camera that one may see, as a tile; layouts that are kept in this browser.

import { useState } from "preact/hooks";
import { ask, GET, isFound, type Camera } from "../api";
import { MOST_TOGETHER } from "../player/together";
import { useKept } from "../parts";
import { t } from "../words";
import { lastLayout, Layouts, type Layout } from "./layouts";
import { Tile } from "./tile";
import { TogetherView } from "./together_view";
import { View } from "./view";

const EVERY_MS = 5000;
const ALL: Layout = { name: "", columns: 0, cameras: [] };

export function Wall() {
  const { data: city, trouble } = useKept(() => ask(() => GET("/api/cameras")), EVERY_MS);
  const [layout, setLayout] = useState(() => lastLayout() ?? ALL);
  const [chosen, choose] = useState<string[]>([]);
  const [isFull, setFull] = useState(false);
  const [shown, show] = useState<Camera | null>(null);
  const [isTogether, openTogether] = useState(false);

  const [wanted, want] = useState("");
  const all = arranged(city?.cameras ?? [], layout);
  const cameras = all.filter((camera) => isFound(camera, wanted));
  const here = chosen.filter((id) => all.some((camera) => camera.id === id));
  const bad = cameras.filter((camera) => camera.is_bad).length;
  const onChoose = (id: string, isChosen: boolean): void => {
    if (!isChosen) choose(here.filter((one) => one !== id));
    else if (here.length < MOST_TOGETHER) choose([...here, id]);
    setFull(isChosen && here.length >= MOST_TOGETHER);
  };
  const move = (id: string, to: number): void => {
    const order = all.map((camera) => camera.id);
    order.splice(order.indexOf(id), 1);
    order.splice(Math.max(0, to), 0, id);
    setLayout({ ...layout, cameras: order });
  };
  const onDrop = (event: DragEvent): void => {
    event.preventDefault();
    const id = event.dataTransfer?.getData("text/plain") ?? "";
    const over = (event.target as Element).closest("li")?.dataset["camera"];
    if (over && over !== id) move(id, cameras.findIndex((camera) => camera.id === over));
  };
  return (
    <>
      <p class="quiet">{t("wall.promise")}</p>
      <p id="state" role="status">{trouble ? t("again", { why: trouble }) : city ? cameras.length || !wanted ? t("wall.state", { count: cameras.length, bad }) : t("wall.nonefound") : t("wall.asking")}</p>
      <label class="find">{t("grant.find")} <input id="find-camera" type="search" value={wanted} onInput={(event) => want(event.currentTarget.value)} /></label>
      <Layouts layout={layout} cameras={all} chosen={here} onChange={setLayout} />
      <ul
        id="wall"
        aria-label={t("wall.cameras")}
        style={layout.columns ? { "--columns": String(layout.columns) } : {}}
        class={layout.columns ? "fixed" : ""}
        onDragOver={(event) => event.preventDefault()}
        onDrop={onDrop}
      >
        {cameras.map((camera, at) => (
          <Tile
            key={camera.id}
            camera={camera}
            isChosen={here.includes(camera.id)}
            isShown={shown !== null || isTogether}
            onChoose={(isChosen) => onChoose(camera.id, isChosen)}
            onOpen={() => show(camera)}
            onMove={(by) => move(camera.id, at + by)}
          />
        ))}
      </ul>
      <p id="choice" class={here.length ? "stays" : ""}>
        <button id="open-together" type="button" disabled={here.length < 2} onClick={() => openTogether(true)}>{t("wall.play")}</button>
        <span id="chosen" role="status">
          {here.length ? t("wall.chosen", { count: here.length }) : ""} {isFull ? t("wall.most", { most: MOST_TOGETHER }) : ""}
        </span>
      </p>
      <View camera={shown} onClose={() => show(null)} />
      <TogetherView cameras={isTogether ? all.filter((camera) => here.includes(camera.id)) : []} onClose={() => openTogether(false)} />
    </>
  );
}

/** Those of the layout, in its order; all where it names none. Cameras that came later are at the end of all. */
function arranged(cameras: Camera[], layout: Layout): Camera[] {
  const place = new Map(layout.cameras.map((id, at) => [id, at]));
  const wanted = layout.isSome ? cameras.filter((camera) => place.has(camera.id)) : cameras;
  const last = layout.cameras.length;
  return [...wanted].sort((one, other) => (place.get(one.id) ?? last) - (place.get(other.id) ?? last));
}
