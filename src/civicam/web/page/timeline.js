// A slider over a stretch of time that shows a small still of the moment under the pointer, or of its own when it has
// the keyboard's focus. Stills are asked for one at a time, and by whole seconds.

import { clockTime } from "./recording.js";

const REST_MS = 120; // the pointer rests so long before a still is asked for

export class Timeline {
  /**
   * @param {HTMLInputElement} slider its value is the player's time in seconds
   * @param {HTMLElement} preview holds an image and words
   * @param {{wallAt: (time: number) => number, stillAt: (wall: string) => string, seek: (time: number) => void}} player
   */
  constructor(slider, preview, player) {
    this.slider = slider;
    this.preview = preview;
    this.player = player;
    slider.addEventListener("pointermove", (event) => this.point(event));
    slider.addEventListener("pointerleave", () => this.hide());
    slider.addEventListener("blur", () => this.hide());
    slider.addEventListener("input", () => {
      player.seek(Number(slider.value));
      this.name();
      this.show(Number(slider.value));
    });
    slider.addEventListener("focus", () => { if (slider.matches(":focus-visible")) this.show(Number(slider.value)); });
  }

  /** What is shown now, of how much. */
  set(time, duration) {
    this.slider.max = duration;
    if (this.slider.matches(":active")) return;
    this.slider.value = time;
    this.name();
  }

  name() {
    this.slider.setAttribute("aria-valuetext", clockTime(this.player.wallAt(Number(this.slider.value))));
  }

  point(event) {
    const box = this.slider.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    this.show(share * Number(this.slider.max));
  }

  show(time) {
    const wall = Math.floor(this.player.wallAt(time) / 1000) * 1000;
    const share = time / (Number(this.slider.max) || 1);
    this.preview.hidden = false;
    this.preview.style.setProperty("--share", share);
    this.preview.querySelector("span").textContent = clockTime(wall);
    if (wall === this.wanted) return;
    this.wanted = wall;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), REST_MS);
  }

  async ask() {
    if (this.isAsking) return;
    this.isAsking = true;
    for (let asked = null; this.wanted !== null && this.wanted !== asked;) {
      asked = this.wanted;
      const answer = await fetch(this.player.stillAt(new Date(asked).toISOString())).catch(() => null);
      if (answer?.ok && !this.preview.hidden) this.draw(await answer.blob());
    }
    this.isAsking = false;
  }

  draw(blob) {
    const image = this.preview.querySelector("img");
    if (image.src) URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(blob);
  }

  hide() {
    this.preview.hidden = true;
    this.wanted = null;
    clearTimeout(this.timer);
  }
}
