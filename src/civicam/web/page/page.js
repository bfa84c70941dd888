// The page: a wall of stills, and one camera at a time, live or recorded.

import { Live } from "./live.js";
import { Playback, problem } from "./playback.js";

const CAMERAS_EVERY_MS = 5000;
const STILLS_EVERY_MS = 2000;
const STILLS_AT_ONCE = 4;
const PLAYBACK_MS = 30 * 60 * 1000;

const find = (id) => document.getElementById(id);
const video = find("video");
const tiles = new Map();
let player = null;
let shown = null;

// --- the wall

async function keep(work, everyMs) {
  for (;;) {
    await work().catch((error) => sayWall(`${error.message || "This machine does not answer."} Trying again …`));
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

function sayWall(words) {
  if (find("state").textContent !== words) find("state").textContent = words;
}

async function askCameras() {
  const answer = await fetch("/api/cameras");
  if (!answer.ok) throw new Error(await problem(answer));
  const city = await answer.json();
  find("city").textContent = city.name;
  document.title = `${city.name} - civicam`;
  for (const camera of city.cameras) {
    const tile = tiles.get(camera.id) ?? addTile(camera.id);
    tile.camera = camera;
    tile.name.textContent = camera.title;
    tile.said.textContent = camera.state;
    tile.said.classList.toggle("bad", camera.is_bad);
  }
  const here = new Set(city.cameras.map((camera) => camera.id));
  for (const [id, tile] of tiles) if (!here.has(id)) { tile.item.remove(); tiles.delete(id); seen.unobserve(tile.item); }
  const bad = city.cameras.filter((camera) => camera.is_bad).length;
  sayWall(`${city.cameras.length} cameras${bad ? `, ${bad} of them not well` : ", all well"}.`);
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) tiles.get(entry.target.dataset.camera).isVisible = entry.isIntersecting;
});

function addTile(id) {
  const item = document.createElement("li");
  item.dataset.camera = id;
  const button = document.createElement("button");
  button.type = "button";
  const image = document.createElement("img");
  image.alt = "";
  const name = Object.assign(document.createElement("span"), { className: "name" });
  const said = Object.assign(document.createElement("span"), { className: "said" });
  button.append(image, name, said);
  button.addEventListener("click", () => openView(tiles.get(id).camera));
  item.append(button);
  find("wall").append(item);
  const tile = { item, image, name, said, etag: null, isVisible: false, camera: null };
  tiles.set(id, tile);
  seen.observe(item);
  return tile;
}

async function askStills() {
  if (document.hidden || find("view").open) return;
  const waiting = [...tiles.values()].filter((tile) => tile.isVisible);
  const work = async () => { for (let tile; (tile = waiting.shift()); ) await askStill(tile).catch(() => {}); };
  await Promise.all(Array.from({ length: STILLS_AT_ONCE }, work));
}

async function askStill(tile) {
  const headers = tile.etag ? { "If-None-Match": tile.etag } : {};
  const answer = await fetch(tile.camera.still, { headers, cache: "no-store" });
  if (!answer.ok) return;
  const old = tile.image.src;
  tile.image.src = URL.createObjectURL(await answer.blob());
  tile.etag = answer.headers.get("ETag");
  if (old) URL.revokeObjectURL(old);
}

// --- one camera

function sayView(words, isBad) {
  if (find("view-state").textContent !== words) find("view-state").textContent = words;
  find("view-state").classList.toggle("bad", isBad);
}

function openView(camera) {
  shown = camera;
  find("view-title").textContent = camera.title;
  find("view-purpose").textContent = camera.purpose ? `It is there for: ${camera.purpose}` : "";
  find("moment").value = localTime(Date.now() - 60_000);
  find("view").showModal();
  play("live");
  if (find("story").open) tellStory();
}

function play(kind, from = new Date(find("moment").value)) {
  player?.close();
  video.controls = kind !== "live";
  video.playbackRate = 1;
  find("clock").textContent = "";
  if (kind === "live") {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    player = new Live(video, `${scheme}://${location.host}${shown.live}`, sayView);
    return;
  }
  const speed = Number(find("speed").value);
  const until = new Date(Math.min(from.getTime() + PLAYBACK_MS, Date.now()));
  const asked = new URLSearchParams({ from: from.toISOString(), to: until.toISOString(), speed });
  player = new Playback(video, `${shown.playback}?${asked}`, speed, sayView);
}

function changeSpeed() {
  const wall = player instanceof Playback ? player.wall : null;
  if (wall !== null) play("recorded", new Date(wall));
}

function closeView() {
  player?.close();
  player = null;
}

async function tellStory() {
  const now = Date.now();
  const asked = new URLSearchParams({
    from: new Date(now - 3_600_000).toISOString(),
    to: new Date(now).toISOString(),
  });
  const answer = await fetch(`${shown.coverage}?${asked}`);
  const list = find("gaps");
  list.replaceChildren();
  const tell = (words) => list.append(Object.assign(document.createElement("li"), { textContent: words }));
  if (!answer.ok) { tell(await problem(answer)); return; }
  const story = await answer.json();
  tell(`${(story.completeness * 100).toFixed(2)} % of it is playable.`);
  for (const gap of story.gaps) tell(`${stretch(gap)}: missing, ${gap.cause}`);
  for (const event of story.health) tell(`${stretch(event)}: ${event.what}`);
}

const clockTime = (text) => new Date(text).toLocaleTimeString();
const stretch = (one) => `${clockTime(one.from)} to ${one.to ? clockTime(one.to) : "now"}`;

function localTime(ms) {
  const at = new Date(ms);
  return new Date(ms - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

find("live").addEventListener("click", () => play("live"));
find("choose").addEventListener("submit", (event) => { event.preventDefault(); play("recorded"); });
find("speed").addEventListener("change", changeSpeed);
find("close").addEventListener("click", () => find("view").close());
find("view").addEventListener("close", closeView);
find("story").addEventListener("toggle", () => { if (find("story").open) tellStory(); });
video.addEventListener("timeupdate", () => {
  const wall = player instanceof Playback ? player.wall : null;
  find("clock").textContent = wall === null ? "" : new Date(wall).toLocaleString();
});

keep(askCameras, CAMERAS_EVERY_MS);
keep(askStills, STILLS_EVERY_MS);
