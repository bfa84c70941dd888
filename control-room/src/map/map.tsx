// The city's map: its own streets, cameras with where they look and how they are; many close together are one sign.

import "./trust";
import type { FeatureCollection } from "geojson";
import * as L from "leaflet";
import "leaflet/dist/leaflet.css";
import { useEffect, useRef, useState } from "preact/hooks";
import Supercluster from "supercluster";
import { ask, GET, isFound, named, type Camera } from "../api";
import { Trouble, useKept } from "../parts";
import { isLocal, roles } from "../session";
import { count, dayTime, stateOf, t } from "../words";
import { View } from "../wall/view";

const EVERY_MS = 5000;
const CLUSTER_PX = 50;
const CLOSEST = 19;
const MOST_HITS = 8;
const METRES_A_DEGREE = 111_320;
const LINES: Record<string, L.PathOptions> = {
  river: { className: "map-water", weight: 12 },
  street: { className: "map-street", weight: 4 },
};

type Placed = Camera & { place: NonNullable<Camera["place"]> };
interface Shown {
  id: string;
  isBad: boolean;
}

export function CityMap() {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn | null>(null);
  const { data, trouble } = useKept(() => ask(() => GET("/api/cameras")), EVERY_MS);
  const [shown, show] = useState<Camera | null>(null);
  const placed = (data?.cameras ?? []).filter((camera): camera is Placed => camera.place !== null);
  const [wanted, want] = useState("");
  const hitsOf = (words: string): Placed[] => (words ? placed.filter((camera) => isFound(camera, words)).slice(0, MOST_HITS) : []);
  const hits = hitsOf(wanted);
  const isViewer = isLocal.value || roles.value.has("operator") || roles.value.has("investigator");
  useEffect(() => {
    drawn.current = new Drawn(box.current!, (camera) => { if (isViewer) show(camera); });
    return () => drawn.current?.close();
  }, []);
  useEffect(() => { if (placed.length) drawn.current?.put(placed); }, [data]);
  return (
    <>
      <h2>{t("page.map")}</h2>
      <Trouble words={trouble} />
      {data && !placed.length && <p role="status">{t("map.none")}</p>}
      <label class="find">
        {t("grant.find")}{" "}
        <input id="map-find" type="search" value={wanted} onInput={(event) => want(event.currentTarget.value)} onKeyDown={(event) => {
          const [first] = event.key === "Enter" ? hitsOf(event.currentTarget.value) : [];
          if (!first) return;
          event.preventDefault(); // else the sign that has the focus now is pressed, too
          drawn.current?.go(first.id);
        }} />
      </label>
      {wanted && (
        <ul id="map-hits" class="plain">
          {hits.map((camera) => (
            <li key={camera.id}>
              <button type="button" class="small" onClick={() => drawn.current?.go(camera.id)}>{named(camera)}</button>{" "}
              {isViewer && <button type="button" class="small" onClick={() => show(camera)}>{t("map.open")}</button>}
            </li>
          ))}
          {!hits.length && <li role="status">{t("wall.nonefound")}</li>}
        </ul>
      )}
      <div class="map">
        <div id="map" ref={box} role="region" aria-label={t("map.label")} />
        <p class="map-buttons">
          <button type="button" onClick={() => drawn.current?.map.zoomIn()}>{t("map.in")}</button>
          <button type="button" onClick={() => drawn.current?.map.zoomOut()}>{t("map.out")}</button>
          <button type="button" onClick={() => drawn.current?.all()}>{t("map.all")}</button>
        </p>
      </div>
      <Now cameras={data?.cameras ?? []} onGo={(camera) => drawn.current?.go(camera.id)} />
      {data && <p class="quiet" role="status">{t("map.count", { shown: count(placed.length), all: count(data.cameras.length) })}</p>}
      <View camera={shown} onClose={() => show(null)} />
    </>
  );
}

/** What is going on at the cameras now, the newest first. */
function Now({ cameras, onGo }: { cameras: Camera[]; onGo: (camera: Camera) => void }) {
  const events = cameras
    .flatMap((camera) => camera.conditions.map((one) => ({ camera, ...one })))
    .filter((one) => one.since !== null)
    .sort((one, other) => (one.since! < other.since! ? 1 : -1));
  return (
    <section id="map-now" class="card" aria-label={t("map.now")}>
      <h3>{t("map.now")}</h3>
      {!events.length && <p class="quiet">{t("map.quiet")}</p>}
      <ul class="plain">
        {events.map(({ camera, code, since }) => (
          <li key={camera.id + code}>
            <button type="button" class="small" disabled={camera.place === null} onClick={() => onGo(camera)}>{named(camera)}</button>{" "}
            {stateOf([{ code, since }])} · <time dateTime={since!}>{dayTime(since!)}</time>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What Leaflet draws. */
class Drawn {
  readonly map: L.Map;
  private readonly signs = L.layerGroup();
  private readonly cones = L.layerGroup();
  private readonly index = new Supercluster<Shown, { bad: number }>({
    radius: CLUSTER_PX,
    maxZoom: CLOSEST - 1,
    map: (one) => ({ bad: one.isBad ? 1 : 0 }),
    reduce: (sum, one) => { sum.bad += one.bad; },
  });
  private cameras = new Map<string, Placed>();
  private isFitted = false;
  private told = "";

  constructor(box: HTMLElement, private readonly open: (camera: Camera) => void) {
    // Leaflet writes HTML for its own buttons, which this page's rules forbid; the page has buttons of its own.
    this.map = L.map(box, { zoomAnimation: false, zoomControl: false, attributionControl: false, center: [0, 0], zoom: 2, maxZoom: CLOSEST });
    this.cones.addTo(this.map);
    this.signs.addTo(this.map);
    this.map.on("moveend", () => this.draw());
    void this.drawStreets();
  }

  close(): void {
    this.map.stop(); // what still moves would look for a map that is gone
    this.map.remove();
  }

  put(cameras: Placed[]): void {
    const told = JSON.stringify(cameras.map(({ id, title, conditions, place }) => [id, title, conditions, place]));
    if (told === this.told) return; // what is the same is not drawn anew: a sign keeps the focus, and is not read again
    this.told = told;
    this.cameras = new Map(cameras.map((camera) => [camera.id, camera]));
    this.index.load(
      cameras.map(({ id, place, is_bad }) => ({
        type: "Feature",
        geometry: { type: "Point", coordinates: [place.longitude, place.latitude] },
        properties: { id, isBad: is_bad },
      })),
    );
    if (this.isFitted) this.draw();
    else this.all();
    this.isFitted = true;
  }

  all(): void {
    const points = [...this.cameras.values()].map(({ place }) => L.latLng(place.latitude, place.longitude));
    if (points.length) this.map.fitBounds(L.latLngBounds(points).pad(0.15), { maxZoom: 17 });
    this.draw();
  }

  /** Shows a camera in the middle, and puts the focus on it. */
  go(id: string): void {
    const camera = this.cameras.get(id);
    if (!camera) return;
    this.map.setView([camera.place.latitude, camera.place.longitude], CLOSEST);
    document.querySelector<HTMLElement>(`[data-sign="${CSS.escape(id)}"]`)?.focus();
  }

  private async drawStreets(): Promise<void> {
    const answer = await fetch("/api/map");
    if (!answer.ok) return; // a city may have none
    const streets = (await answer.json()) as FeatureCollection;
    L.geoJSON(streets, {
      interactive: false,
      style: (feature) => LINES[String(feature?.properties?.["kind"])] ?? { className: "map-other", weight: 2 },
      pointToLayer: (_, at) => L.circleMarker(at, { radius: 3, className: "map-other" }),
    }).addTo(this.map).bringToBack();
  }

  private draw(): void {
    const focused = (document.activeElement as HTMLElement | null)?.dataset["sign"];
    const bounds = this.map.getBounds().pad(0.2);
    const box: [number, number, number, number] = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
    this.signs.clearLayers();
    this.cones.clearLayers();
    for (const one of this.index.getClusters(box, Math.floor(this.map.getZoom()))) {
      const at = L.latLng(one.geometry.coordinates[1]!, one.geometry.coordinates[0]!);
      if ("cluster" in one.properties) this.drawCluster(at, Number(one.id), one.properties.point_count, one.properties.bad);
      else this.drawCamera(at, this.cameras.get(one.properties.id));
    }
    if (!focused) return;
    const again = document.querySelector<HTMLElement>(`[data-sign="${CSS.escape(focused)}"]`);
    (again ?? this.map.getContainer()).focus();
  }

  private drawCluster(at: L.LatLng, id: number, size: number, bad: number): void {
    const words = t("map.cluster", { count: size, bad });
    this.sign(at, `cluster ${id}`, words, String(size), bad ? "sign many bad" : "sign many", () =>
      this.map.setView(at, this.index.getClusterExpansionZoom(id)),
    );
  }

  private drawCamera(at: L.LatLng, camera: Placed | undefined): void {
    if (!camera) return;
    const words = t("map.camera", { title: named(camera), state: stateOf(camera.conditions) });
    this.sign(at, camera.id, words, "", camera.is_bad ? "sign bad" : "sign", () => this.open(camera));
    if (camera.place.direction_deg !== null) L.polygon(cone(camera.place), { className: "map-cone", interactive: false }).addTo(this.cones);
  }

  private sign(at: L.LatLng, name: string, words: string, text: string, className: string, act: () => void): void {
    const button = document.createElement("span");
    button.textContent = text;
    const marker = L.marker(at, { icon: L.divIcon({ html: button, className, iconSize: [28, 28] }), title: words, alt: words });
    marker.on("click", act).on("keypress", (event) => { if ((event as unknown as { originalEvent: KeyboardEvent }).originalEvent.key.match(/^(Enter| )$/)) act(); });
    marker.addTo(this.signs);
    const element = marker.getElement();
    element?.setAttribute("aria-label", words);
    element?.setAttribute("data-sign", name);
  }
}

/** What a camera sees, as corners on the map. */
function cone(place: Placed["place"]): [number, number][] {
  const eye: [number, number] = [place.latitude, place.longitude];
  const steps = 8;
  const arc = Array.from({ length: steps + 1 }, (_, step): [number, number] => {
    const angle = (((place.direction_deg ?? 0) + place.view_deg * (step / steps - 0.5)) * Math.PI) / 180;
    const degrees = place.reach_m / METRES_A_DEGREE;
    return [eye[0] + degrees * Math.cos(angle), eye[1] + (degrees * Math.sin(angle)) / Math.cos((eye[0] * Math.PI) / 180)];
  });
  return [eye, ...arc];
}
