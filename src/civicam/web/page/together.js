// Up to four cameras' recordings in step: one clock, which waits for whoever is not loaded yet and never for a gap.

import { Recording } from "./recording.js";

const TICK_MS = 40;
const JUMP_S = 0.3; // further from the clock than this a video is set to it, nearer it is hurried or held back
const STILL_S = 0.05; // the same while the clock stands
const SAME_S = 0.02;
const HURRY = 0.8; // a second's difference as a share of speed
const MOST_HURRY = 0.15;
const LONGEST_TICK_S = 0.25; // a page that slept does not leap

export const MOST_TOGETHER = 4;

export class Together {
  /**
   * @param {{camera: object, video: HTMLVideoElement, say: (words: string) => void}[]} places where to show which
   * @param {{from: Date, until: Date, speed: number}} asked which stretch
   * @param {(time: number) => void} shown is told the clock's time
   */
  constructor(places, asked, shown) {
    this.shown = shown;
    this.from = asked.from.getTime();
    this.speed = asked.speed;
    this.duration = (asked.until.getTime() - this.from) / 1000 / asked.speed;
    this.time = 0;
    this.isPlaying = true;
    this.parts = places.map((place) => new Part(place, asked));
    this.before = performance.now();
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  close() {
    clearInterval(this.timer);
    for (const part of this.parts) part.recording.close();
  }

  wallAt(time) {
    return this.from + time * 1000 * this.speed;
  }

  get wall() {
    return this.wallAt(this.time);
  }

  seek(time) {
    this.time = Math.min(Math.max(0, time), this.duration);
  }

  tick() {
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
  constructor({ camera, video, say }, asked) {
    this.video = video;
    this.say = say;
    this.hasFailed = false;
    this.recording = new Recording(video, camera, asked, (words) => { this.hasFailed = true; say(words); });
    this.isOpen = false;
    say("Asking for the recording …");
    this.recording.open().then(() => { this.isOpen = true; say(""); }, (error) => this.recording.fail(error));
  }

  /** Whether the clock may go on: it waits for pictures that come, and for nobody who has none. */
  isReady(time) {
    if (this.hasFailed) return true;
    if (!this.isOpen) return false;
    this.recording.load(time);
    if (this.recording.gapAt(time) || time >= this.recording.duration) return true;
    return this.recording.isLoaded(time) && !this.video.seeking;
  }

  follow(time, goes) {
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
