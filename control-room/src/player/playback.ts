// One camera's recording with the browser's own controls: passes over gaps, and steps frame by frame.

import type { Camera } from "../api";
import { t } from "../words";
import { Recording, STEPS_UP_TO, WITHIN_FRAME_MS, type Stretch } from "./recording";

const GAP_SHOWN_MS = 2500; // how long a gap is told before it is passed over
const EDGE_S = 0.12; // what is loaded ends about so long before a gap, and there a video waits

/** Is told what is going on, and what is missing: "" where nothing is. */
export interface Teller {
  say: (words: string, isBad: boolean) => void;
  gap: (words: string) => void;
}

export class Playback {
  readonly recording: Recording;
  private passing: { end: number; timer: number } | null = null;
  private isStepping = false;

  /** @param isPaused it begins so */
  constructor(
    private readonly video: HTMLVideoElement,
    camera: Camera,
    asked: Stretch,
    private readonly tell: Teller,
    isPaused = false,
  ) {
    this.recording = new Recording(video, camera, asked, (words) => tell.say(words, true));
    this.open(isPaused).catch((error) => this.recording.fail(error));
  }

  close(): void {
    clearTimeout(this.passing?.timer);
    this.tell.gap("");
    this.recording.close();
  }

  get duration(): number {
    return this.recording.duration;
  }

  /** The wall time of what is shown, in milliseconds since 1970, or null. */
  get wall(): number | null {
    return this.recording.segments.length ? this.recording.wallAt(this.video.currentTime) : null;
  }

  get canStep(): boolean {
    return this.recording.speed <= STEPS_UP_TO;
  }

  private async open(isPaused: boolean): Promise<void> {
    this.tell.say(t("recording.asking"), false);
    await this.recording.open();
    const { signal } = this.recording.gone;
    for (const name of ["seeking", "timeupdate", "waiting", "play"]) {
      this.video.addEventListener(name, () => this.go(), { signal });
    }
    this.tell.say(t("recording.recorded"), false);
    this.go();
    if (!isPaused) await this.video.play().catch(() => {});
  }

  /** Loads what comes, or tells what is missing and goes on after it. */
  private go(): void {
    const { video, recording } = this;
    const at = video.currentTime;
    const goes = video.readyState > HTMLMediaElement.HAVE_CURRENT_DATA;
    const gap = recording.gapAt(goes ? at : recording.loadedUntil(at) + EDGE_S);
    const passes = gap !== null && !gap.isLast && !video.paused;
    recording.load(gap && passes ? gap.end : at);
    this.tell.gap(gap?.words ?? "");
    if (gap && passes && this.passing?.end === gap.end) return;
    clearTimeout(this.passing?.timer);
    this.passing = null;
    if (gap && passes) {
      const timer = window.setTimeout(() => { video.currentTime = gap.end; }, GAP_SHOWN_MS);
      this.passing = { end: gap.end, timer };
    }
  }

  seekWall(wall: number): void {
    this.video.currentTime = Math.max(0, this.recording.timeOf(wall));
  }

  /** Shows the frame after or before the one that is shown; resolves when it was asked for. */
  async step(go: "back" | "forward"): Promise<void> {
    this.video.pause();
    if (this.isStepping || this.wall === null) return;
    this.isStepping = true;
    try {
      const found = await this.recording.beside(Math.floor(this.wall), go);
      if (found === null) this.tell.say(t("recording.noframe"), false);
      else this.seekWall(found + WITHIN_FRAME_MS);
    } catch (error) {
      this.recording.fail(error);
    } finally {
      this.isStepping = false;
    }
  }
}
