// The page: a wall of stills, and one camera at a time, live or recorded.

import { Live } from "./live.js";
import { Playback } from "./playback.js";
import { clockTime, localTime, problem } from "./recording.js";
import { ask } from "./session.js";
import { Timeline } from "./timeline.js";
import { choose, keepChosen } from "./together_view.js";

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
  const answer = await ask("/api/cameras");
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
    tile.box.ariaLabel = `Choose ${camera.title}, to play it together with others`;
  }
  const here = new Set(city.cameras.map((camera) => camera.id));
  for (const [id, tile] of tiles) if (!here.has(id)) { tile.item.remove(); tiles.delete(id); seen.unobserve(tile.item); }
  keepChosen(here);
  const bad = city.cameras.filter((camera) => camera.is_bad).length;
  sayWall(`${city.cameras.length} cameras${bad ? `, ${bad} of them not well` : ", all well"}.`);
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const tile = tiles.get(entry.target.dataset.camera);
    if (tile) tile.isVisible = entry.isIntersecting;
  }
});

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function addTile(id) {
  const image = make("img", { alt: "" });
  const name = make("span", { className: "name" });
  const said = make("span", { className: "said" });
  const button = make("button", { type: "button" }, image, name, said);
  button.addEventListener("click", () => openView(tiles.get(id).camera));
  const box = make("input", { type: "checkbox" });
  box.addEventListener("change", () => choose(tiles.get(id).camera, box));
  const item = make("li", {}, button, make("label", {}, box, " together"));
  item.dataset.camera = id;
  find("wall").append(item);
  const tile = { item, image, name, said, box, etag: null, isVisible: false, camera: null };
  tiles.set(id, tile);
  seen.observe(item);
  return tile;
}

async function askStills() {
  if (document.hidden || document.querySelector("dialog[open]")) return;
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

function sayGap(words) {
  if (find("gap").textContent !== words) find("gap").textContent = words;
  find("gap").hidden = !words;
}

function openView(camera) {
  shown = camera;
  find("view-title").textContent = camera.title;
  find("view-purpose").textContent = camera.purpose ? `It is there for: ${camera.purpose}` : "";
  find("moment").value = localTime(Date.now() - 60_000);
  find("view").showModal();
  playLive();
  if (find("story").open) tellStory();
}

function begin(isLive) {
  player?.close();
  video.controls = !isLive;
  video.playbackRate = 1;
  find("clock").textContent = "";
  find("recorded").hidden = isLive;
}

function playLive() {
  begin(true);
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  player = new Live(video, `${scheme}://${location.host}${shown.live}`, sayView);
}

function playRecorded(from, isPaused = false) {
  begin(false);
  const until = new Date(Math.min(from.getTime() + PLAYBACK_MS, Date.now()));
  const asked = { from, until, speed: Number(find("speed").value) };
  player = new Playback(video, shown, asked, { say: sayView, gap: sayGap }, isPaused);
}

const recordedWall = () => (player instanceof Playback ? player.wall : null);

function changeSpeed() {
  const wall = recordedWall();
  if (wall !== null) playRecorded(new Date(wall));
}

/** One frame on or back; a recording that is played fast has not all frames, so it is first played slowly. */
function step(go) {
  if (!(player instanceof Playback)) return;
  if (player.canStep) {
    player.step(go);
  } else if (player.wall !== null) {
    find("speed").value = "1";
    playRecorded(new Date(player.wall), true);
  }
}

function onKey(event) {
  if (event.target.matches("input:not([type=range]), select") || event.ctrlKey || event.altKey || event.metaKey) return;
  const go = { ",": "back", ".": "forward" }[event.key];
  if (!go || !(player instanceof Playback) || !video.paused) return;
  event.preventDefault();
  step(go);
}

function closeView() {
  player?.close();
  player = null;
}

const timeline = new Timeline(find("timeline"), find("preview"), {
  wallAt: (time) => (player instanceof Playback ? player.recording.wallAt(time) : 0),
  stillAt: (at) => `${shown.past}?${new URLSearchParams({ at })}`,
  seek: (time) => { video.currentTime = time; },
});

function tellTime() {
  const wall = player?.wall ?? null;
  find("clock").textContent = wall === null ? "" : new Date(wall).toLocaleString();
  if (wall !== null && player instanceof Playback) timeline.set(video.currentTime, player.duration);
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
  const tell = (words) => list.append(make("li", { textContent: words }));
  if (!answer.ok) { tell(await problem(answer)); return; }
  const story = await answer.json();
  tell(`${(story.completeness * 100).toFixed(2)} % of it is playable.`);
  for (const gap of story.gaps) tell(`${stretch(gap)}: missing, ${gap.cause}`);
  for (const event of story.health) tell(`${stretch(event)}: ${event.what}`);
}

const stretch = (one) => `${clockTime(one.from)} to ${one.to ? clockTime(one.to) : "now"}`;

find("live").addEventListener("click", playLive);
find("choose").addEventListener("submit", (event) => {
  event.preventDefault();
  playRecorded(new Date(find("moment").value));
});
find("speed").addEventListener("change", changeSpeed);
find("back").addEventListener("click", () => step("back"));
find("forward").addEventListener("click", () => step("forward"));
find("close").addEventListener("click", () => find("view").close());
find("view").addEventListener("close", closeView);
find("view").addEventListener("keydown", onKey);
find("story").addEventListener("toggle", () => { if (find("story").open) tellStory(); });
video.addEventListener("timeupdate", tellTime);

keep(askCameras, CAMERAS_EVERY_MS);
keep(askStills, STILLS_EVERY_MS);
