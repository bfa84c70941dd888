// A slider over a stretch of time that shows a small still of the moment under the pointer, or of its own when it has
// the keyboard's focus. Stills are asked for one at a time, and by whole seconds.

import { clockTime } from "../words";

const REST_MS = 120; // the pointer rests so long before a still is asked for

/** What is played. Times are the player's, in seconds; walls are milliseconds since 1970. */
export interface Played {
  wallAt: (time: number) => number;
  stillAt: (wall: string) => string;
  seek: (time: number) => void;
}

export class Preview {
  private wanted: number | null = null;
  private timer = 0;
  private isAsking = false;

  /** @param box holds an image and words */
  constructor(
    private readonly slider: HTMLInputElement,
    private readonly box: HTMLElement,
    private readonly played: Played,
  ) {
    slider.addEventListener("pointermove", (event) => this.point(event));
    slider.addEventListener("pointerleave", () => this.hide());
    slider.addEventListener("blur", () => this.hide());
    slider.addEventListener("input", () => {
      played.seek(Number(slider.value));
      this.name();
      this.show(Number(slider.value));
    });
    slider.addEventListener("focus", () => { if (slider.matches(":focus-visible")) this.show(Number(slider.value)); });
  }

  /** What is shown now, of how much. */
  set(time: number, duration: number): void {
    this.slider.max = String(duration);
    if (this.slider.matches(":active")) return;
    this.slider.value = String(time);
    this.name();
  }

  private name(): void {
    this.slider.setAttribute("aria-valuetext", clockTime(this.played.wallAt(Number(this.slider.value))));
  }

  private point(event: PointerEvent): void {
    const box = this.slider.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    this.show(share * Number(this.slider.max));
  }

  private show(time: number): void {
    const wall = Math.floor(this.played.wallAt(time) / 1000) * 1000;
    const share = time / (Number(this.slider.max) || 1);
    this.box.hidden = false;
    this.box.style.setProperty("--share", String(share));
    this.box.querySelector("span")!.textContent = clockTime(wall);
    if (wall === this.wanted) return;
    this.wanted = wall;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.ask(), REST_MS);
  }

  private async ask(): Promise<void> {
    if (this.isAsking) return;
    this.isAsking = true;
    for (let asked: number | null = null; this.wanted !== null && this.wanted !== asked;) {
      asked = this.wanted;
      const answer = await fetch(this.played.stillAt(new Date(asked).toISOString())).catch(() => null);
      if (answer?.ok && !this.box.hidden) this.draw(await answer.blob());
    }
    this.isAsking = false;
  }

  private draw(blob: Blob): void {
    const image = this.box.querySelector("img")!;
    if (image.src) URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(blob);
  }

  private hide(): void {
    this.box.hidden = true;
    this.wanted = null;
    clearTimeout(this.timer);
  }
}
