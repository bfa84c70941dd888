// Clear video under a grant: some seconds at a time, each asked for anew, so that it ends when the grant does.

import { problemOf, wordsOf } from "../api";
import { clockTime, t } from "../words";

const AHEAD_S = 4; // seconds that are loaded before they are shown: little, since a grant may end at any moment
const EVERY_MS = 250;
const DAY_MS = 86_400_000;
const STEP_MS = 8000; // what one answer holds at most

/** What is asked for: a stretch of a camera under a grant. Moments are RFC 3339. */
export interface ClearStretch {
  camera: string;
  grant: number;
  from: string;
  to: string;
}

export interface ClearTeller {
  say: (words: string) => void;
  /** The wall time of what is shown, in milliseconds since 1970. */
  at: (wall: number) => void;
}

export class Clear {
  private readonly gone = new AbortController();
  private readonly source = new MediaSource();
  private buffer: SourceBuffer | null = null;
  private next: number;
  /** The wall time of the player's zero. */
  private base: number | null = null;
  private hasBegun = false;
  private timer = 0;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly stretch: ClearStretch,
    private readonly tell: ClearTeller,
  ) {
    this.next = Date.parse(stretch.from);
    const url = URL.createObjectURL(this.source);
    video.src = url;
    this.source.addEventListener("sourceopen", () => {
      URL.revokeObjectURL(url);
      void this.go();
    }, { once: true });
  }

  close(): void {
    this.gone.abort();
    clearTimeout(this.timer);
    this.video.removeAttribute("src");
    this.video.load();
  }

  private async go(): Promise<void> {
    try {
      while (!this.gone.signal.aborted && this.next < Date.parse(this.stretch.to)) {
        if (this.ahead() < AHEAD_S) await this.load();
        this.tellTime();
        await this.rest();
      }
      while (!this.gone.signal.aborted) {
        this.tellTime();
        await this.rest();
      }
    } catch (error) {
      if (this.gone.signal.aborted) return;
      this.close();
      this.tell.say(wordsOf(error));
    }
  }

  private rest(): Promise<void> {
    return new Promise((resolve) => { this.timer = window.setTimeout(resolve, EVERY_MS); });
  }

  private ahead(): number {
    const { buffered } = this.video;
    return buffered.length ? buffered.end(buffered.length - 1) - this.video.currentTime : 0;
  }

  private async load(): Promise<void> {
    const { camera, grant, from, to } = this.stretch;
    const asked = new URLSearchParams({ from, to, grant: String(grant), at: new Date(this.next).toISOString() });
    const answer = await fetch(`/api/cameras/${camera}/clear.mp4?${asked}`, { signal: this.gone.signal });
    this.next += STEP_MS;
    if (answer.status === 404) return this.pass(this.next - STEP_MS);
    this.tell.say("");
    if (!answer.ok) throw await problemOf(answer);
    const data = await answer.arrayBuffer();
    const starts = Date.parse(answer.headers.get("X-Start") ?? "");
    this.base ??= starts;
    this.buffer ??= this.opened(`video/mp4; codecs="${answer.headers.get("X-Codec") ?? ""}"`);
    this.buffer.timestampOffset = (starts - this.base) / 1000; // what two answers share, the later one shows
    this.buffer.appendBuffer(data);
    await new Promise((resolve) => this.buffer?.addEventListener("updateend", resolve, { once: true }));
    if (this.video.error) throw new Error(t("recording.failed"));
    if (this.video.paused && !this.hasBegun) await this.video.play().catch(() => {});
    this.hasBegun = true;
  }

  /** Nothing was recorded at `from`: goes on where something is, and says until when nothing was. */
  private async pass(from: number): Promise<void> {
    const { camera, to } = this.stretch;
    const until = Math.min(Date.parse(to), from + DAY_MS);
    const asked = new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(until).toISOString() });
    const answer = await fetch(`/api/cameras/${camera}/coverage?${asked}`, { signal: this.gone.signal });
    if (!answer.ok) throw await problemOf(answer);
    const { playable } = (await answer.json()) as { playable: { from: string; to: string }[] };
    const next = playable.map((one) => Date.parse(one.from)).find((at) => at > from + STEP_MS);
    this.next = Math.max(this.next, next ?? (playable.some((one) => Date.parse(one.to) > this.next) ? this.next : until));
    this.tell.say(this.next < Date.parse(to) ? t("clear.until", { at: clockTime(this.next) }) : t("recording.nothing"));
  }

  private opened(mime: string): SourceBuffer {
    if (!MediaSource.isTypeSupported(mime)) throw new Error(t("live.unsupported", { mime }));
    return this.source.addSourceBuffer(mime);
  }

  private tellTime(): void {
    if (this.base === null) return;
    const { buffered, currentTime } = this.video;
    // Over what was not recorded it goes on by itself.
    for (let at = 0; at < buffered.length; at++) {
      if (buffered.start(at) > currentTime && this.isAfterGap(at)) this.video.currentTime = buffered.start(at);
    }
    this.tell.at(this.base + this.video.currentTime * 1000);
  }

  private isAfterGap(at: number): boolean {
    const { buffered, currentTime } = this.video;
    return at === 0 || buffered.end(at - 1) - currentTime < 0.1;
  }
}
