// Which cameras are played together, and the dialog that shows them.

import { localTime } from "./recording.js";
import { MOST_TOGETHER, Together } from "./together.js";

const PLAYBACK_MS = 30 * 60 * 1000;

const find = (id) => document.getElementById(id);
const chosen = new Map();
let group = null;

/** Adds a camera to those that are chosen, or takes it out, as its box says. */
export function choose(camera, box) {
  if (!box.checked) chosen.delete(camera.id);
  else if (chosen.size < MOST_TOGETHER) chosen.set(camera.id, camera);
  else box.checked = false;
  tellChosen(box.checked || chosen.size < MOST_TOGETHER ? "" : ` At most ${MOST_TOGETHER} are played together.`);
}

/** Forgets cameras that are gone. */
export function keepChosen(here) {
  const before = chosen.size;
  for (const id of chosen.keys()) if (!here.has(id)) chosen.delete(id);
  if (chosen.size !== before) tellChosen("");
}

function tellChosen(more) {
  find("open-together").disabled = chosen.size < 2;
  find("chosen").textContent = chosen.size ? `${chosen.size} chosen.${more}` : "";
}

function screen(camera) {
  const figure = document.createElement("figure");
  const name = Object.assign(document.createElement("figcaption"), { textContent: camera.title });
  const box = Object.assign(document.createElement("div"), { className: "screen" });
  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  video.ariaLabel = camera.title;
  const gap = Object.assign(document.createElement("p"), { className: "gap", hidden: true });
  gap.role = "status";
  box.append(video, gap);
  figure.append(name, box);
  const say = (words) => {
    if (gap.textContent !== words) gap.textContent = words;
    gap.hidden = !words;
  };
  return { figure, place: { camera, video, say } };
}

function play(from) {
  group?.close();
  const until = new Date(Math.min(from.getTime() + PLAYBACK_MS, Date.now()));
  const screens = [...chosen.values()].map(screen);
  find("screens").replaceChildren(...screens.map((one) => one.figure));
  const asked = { from, until, speed: Number(find("together-speed").value) };
  group = new Together(screens.map((one) => one.place), asked, tellTime);
  find("together-timeline").max = group.duration;
  tellPause();
}

function tellTime(time) {
  const slider = find("together-timeline");
  const words = new Date(group.wallAt(time)).toLocaleString();
  if (!slider.matches(":active")) slider.value = time;
  if (find("together-clock").textContent === words) return;
  find("together-clock").textContent = words;
  slider.setAttribute("aria-valuetext", words);
}

function tellPause() {
  find("together-pause").textContent = group.isPlaying ? "Pause" : "Go on";
}

find("together-speed").append(...[...find("speed").options].map((option) => option.cloneNode(true)));
find("together-speed").value = "1";
find("open-together").addEventListener("click", () => {
  const from = new Date(Math.floor((Date.now() - 60_000) / 1000) * 1000);
  find("together-moment").value = localTime(from.getTime());
  find("together").showModal();
  play(from);
});
find("together-choose").addEventListener("submit", (event) => {
  event.preventDefault();
  play(new Date(find("together-moment").value));
});
find("together-speed").addEventListener("change", () => play(new Date(group.wall)));
find("together-timeline").addEventListener("input", (event) => group.seek(Number(event.target.value)));
find("together-pause").addEventListener("click", () => { group.isPlaying = !group.isPlaying; tellPause(); });
find("together-close").addEventListener("click", () => find("together").close());
find("together").addEventListener("close", () => { group?.close(); group = null; find("screens").replaceChildren(); });
