// Up to nine cameras' recordings in step: one clock, which waits for whoever is not loaded yet and never for a gap.

import type { Camera } from "../api";
import { t } from "../words";
import { Recording, STEPS_UP_TO, WITHIN_FRAME_MS, type Stretch } from "./recording";

const TICK_MS = 40;
const JUMP_S = 0.3; // further from the clock than this a video is set to it, nearer it is hurried or held back
const STILL_S = 0.002; // the same while the clock stands: less than any frame lasts
const SAME_S = 0.02;
const HURRY = 0.8; // a second's difference as a share of speed
const MOST_HURRY = 0.15;
const LONGEST_TICK_S = 0.25; // a page that slept does not leap

export const MOST_TOGETHER = 9;

/** Where a camera is shown. */
export interface Place {
  camera: Camera;
  video: HTMLVideoElement;
  say: (words: string) => void;
}

export class Together {
  readonly duration: number;
  isPlaying = true;
  private readonly from: number;
  private readonly speed: number;
  private readonly parts: Part[];
  private readonly timer: number;
  private time = 0;
  private before = performance.now();

  /** @param shown is told the clock's time, in seconds of the player */
  constructor(places: Place[], asked: Stretch, private readonly shown: (time: number) => void) {
    this.from = asked.from.getTime();
    this.speed = asked.speed;
    this.duration = (asked.until.getTime() - this.from) / 1000 / asked.speed;
    this.parts = places.map((place) => new Part(place, asked));
    this.timer = window.setInterval(() => this.tick(), TICK_MS);
  }

  close(): void {
    clearInterval(this.timer);
    for (const part of this.parts) part.recording.close();
  }

  wallAt(time: number): number {
    return this.from + time * 1000 * this.speed;
  }

  get wall(): number {
    return this.wallAt(this.time);
  }

  seek(time: number): void {
    this.time = Math.min(Math.max(0, time), this.duration);
  }

  get canStep(): boolean {
    return this.speed <= STEPS_UP_TO;
  }

  /** Stands at the next frame that any of the cameras has, or the one before; says whether there is one. */
  async step(go: "back" | "forward"): Promise<boolean> {
    this.isPlaying = false;
    const found = await Promise.all(this.parts.map((part) => part.recording.beside(Math.floor(this.wall), go)));
    const walls = found.filter((wall) => wall !== null);
    if (!walls.length) return false;
    const nearest = go === "forward" ? Math.min(...walls) : Math.max(...walls);
    this.seek((nearest + WITHIN_FRAME_MS - this.from) / 1000 / this.speed);
    return true;
  }

  private tick(): void {
    const now = performance.now();
    const passed = Math.min((now - this.before) / 1000, LONGEST_TICK_S);
    this.before = now;
    const isReady = this.parts.map((part) => part.isReady(this.time)).every(Boolean);
    const goes = this.isPlaying && isReady && this.time < this.duration;
    if (goes) this.seek(this.time + passed);
    for (const part of this.parts) part.follow(this.time, goes);
    this.shown(this.time);
  }
}

class Part {
  readonly recording: Recording;
  private readonly video: HTMLVideoElement;
  private readonly say: (words: string) => void;
  private hasFailed = false;
  private isOpen = false;

  constructor({ camera, video, say }: Place, asked: Stretch) {
    this.video = video;
    this.say = say;
    this.recording = new Recording(video, camera, asked, (words) => { this.hasFailed = true; say(words); });
    say(t("recording.asking"));
    this.recording.open().then(() => { this.isOpen = true; say(""); }, (error: unknown) => this.recording.fail(error));
  }

  /** Whether the clock may go on: it waits for pictures that come, and for nobody who has none. */
  isReady(time: number): boolean {
    if (this.hasFailed) return true;
    if (!this.isOpen) return false;
    this.recording.load(time);
    if (this.recording.gapAt(time) || time >= this.recording.duration) return true;
    return this.recording.isLoaded(time) && !this.video.seeking;
  }

  follow(time: number, goes: boolean): void {
    if (!this.isOpen || this.hasFailed) return;
    const { video, recording } = this;
    const gap = recording.gapAt(time);
    this.say(gap?.words ?? "");
    if (gap || !recording.isLoaded(time)) {
      if (!video.paused) video.pause();
      return;
    }
    const ahead = video.currentTime - time;
    if (Math.abs(ahead) > (goes ? JUMP_S : STILL_S) && !video.seeking) video.currentTime = time;
    const hurry = Math.abs(ahead) < SAME_S ? 0 : Math.min(MOST_HURRY, Math.max(-MOST_HURRY, ahead * HURRY));
    video.playbackRate = 1 - hurry;
    if (goes && video.paused) video.play().catch(() => {});
    if (!goes && !video.paused) video.pause();
  }
}
