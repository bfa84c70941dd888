// A stretch of one camera's recording: the segments of an HLS playlist (RFC 8216) into Media Source Extensions.
// Segments that are marked as a gap are never asked for; whoever plays them is told why nothing is there.

import { problemOf, wordsOf, type Camera, type Gap } from "../api";
import { clockTime, coded, t } from "../words";

const AHEAD_S = 12; // seconds that are loaded before they are shown
const KEEP_S = 30;
const NEAR_S = 0.05;

export const WITHIN_FRAME_MS = 1.5; // a step shows the frame that lasts so long after its start, whatever was rounded
export const STEPS_UP_TO = 2; // faster than this, a recording is shown by its keys alone

/** Which way a key steps through frames; null for all others, and where somebody types. */
export function stepOf(event: KeyboardEvent): "back" | "forward" | null {
  const isTyped = (event.target as Element).matches("input:not([type=range]), select");
  if (isTyped || event.ctrlKey || event.altKey || event.metaKey) return null;
  return ({ ",": "back", ".": "forward" } as const)[event.key] ?? null;
}

/** A segment that a playlist lists: its start and duration in seconds of the player, its wall time in milliseconds. */
export interface Segment {
  url: string;
  start: number;
  duration: number;
  wall: number;
  init: string | null;
  isGap: boolean;
}

/** Which stretch is asked for, at which wall time over the player's. */
export interface Stretch {
  from: Date;
  until: Date;
  speed: number;
}

/** What is missing at a moment: until when (seconds of the player), and why in words. */
export interface Missing {
  end: number;
  isLast: boolean;
  words: string;
}

export function parsePlaylist(text: string, base: string): Segment[] {
  const segments: Segment[] = [];
  let start = 0;
  let duration = 0;
  let wall = 0;
  let init: string | null = null;
  let isGap = false;
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#EXT-X-MAP:")) init = new URL(/URI="([^"]*)"/.exec(line)?.[1] ?? "", base).href;
    else if (line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")) wall = Date.parse(line.slice(25));
    else if (line.startsWith("#EXTINF:")) duration = parseFloat(line.slice(8));
    else if (line === "#EXT-X-GAP") isGap = true;
    else if (line && !line.startsWith("#")) {
      segments.push({ url: new URL(line, base).href, start, duration, wall, init, isGap });
      start += duration;
      isGap = false;
    }
  }
  return segments;
}

export class Recording {
  readonly speed: number;
  readonly gone = new AbortController();
  segments: Segment[] = [];
  private readonly from: number;
  private readonly window: { from: string; to: string };
  private gaps: Gap[] = [];
  private next = 0;
  private head = 0; // the player's time that is wanted: the video itself stands still in a gap
  private init: string | null = null;
  private loading: number | null = null;
  private buffer: SourceBuffer | null = null;
  private isFilling = false;

  /** @param tell says what went wrong */
  constructor(
    private readonly video: HTMLVideoElement,
    readonly camera: Camera,
    asked: Stretch,
    private readonly tell: (words: string) => void,
  ) {
    this.speed = asked.speed;
    this.from = asked.from.getTime();
    this.window = { from: asked.from.toISOString(), to: asked.until.toISOString() };
  }

  fail(error: unknown): void {
    if (!this.gone.signal.aborted) this.tell(wordsOf(error));
  }

  close(): void {
    this.gone.abort();
    this.video.removeAttribute("src");
    this.video.load();
  }

  /** Asks for the playlist, and makes the video ready to be filled. */
  async open(): Promise<void> {
    const { signal } = this.gone;
    const asked = new URLSearchParams({ ...this.window, speed: String(this.speed) });
    const answer = await fetch(`${this.camera.playback}?${asked}`, { signal });
    if (!answer.ok) throw await problemOf(answer);
    this.segments = parsePlaylist(await answer.text(), answer.url);
    if (!this.segments.length) throw new Error(t("recording.nothing"));
    if (this.segments.some((segment) => segment.isGap)) await this.askGaps();
    const source = new MediaSource();
    this.video.src = URL.createObjectURL(source);
    await once(source, "sourceopen", signal);
    URL.revokeObjectURL(this.video.src);
    source.duration = this.duration;
    this.buffer = source.addSourceBuffer(answer.headers.get("X-Media-Type") ?? "");
    this.buffer.mode = "sequence"; // each segment is laid where the playlist says, whatever its own clock
  }

  private async askGaps(): Promise<void> {
    const asked = new URLSearchParams(this.window);
    const answer = await fetch(`${this.camera.coverage}?${asked}`, { signal: this.gone.signal });
    if (answer.ok) this.gaps = ((await answer.json()) as { gaps: Gap[] }).gaps;
  }

  get duration(): number {
    const last = this.segments.at(-1);
    return last ? last.start + last.duration : 0;
  }

  private numberAt(time: number): number {
    return Math.max(0, this.segments.findLastIndex((segment) => segment.start <= time + 0.001));
  }

  /** The wall time of the player's, in milliseconds since 1970. */
  wallAt(time: number): number {
    return this.from + time * 1000 * this.speed;
  }

  timeOf(wall: number): number {
    return (wall - this.from) / 1000 / this.speed;
  }

  /** The gap that `time` is in: when it ends, and why it is there in words; null where something was recorded. */
  gapAt(time: number): Missing | null {
    const number = this.numberAt(time);
    const segment = this.segments[number];
    if (!segment?.isGap) return null;
    const after = this.segments.findIndex((one, n) => n > number && !one.isGap);
    const end = this.segments[after]?.start ?? this.duration;
    const to = segment.wall + segment.duration * 1000 * this.speed;
    const gap = this.gaps.find((one) => Date.parse(one.from) < to && Date.parse(one.to) > segment.wall);
    const words = gap
      ? t("recording.missing", { from: clockTime(gap.from), to: clockTime(gap.to), cause: coded("cause", gap.cause) })
      : t("recording.nothing");
    return { end, isLast: after < 0, words };
  }

  /** Until when it can be played from `time` without anything more. */
  loadedUntil(time: number): number {
    const { buffered } = this.video;
    for (let i = 0; i < buffered.length; i++) {
      if (buffered.start(i) <= time + NEAR_S && time < buffered.end(i)) return buffered.end(i);
    }
    return time;
  }

  isLoaded(time: number): boolean {
    const { buffered } = this.video;
    for (let i = 0; i < buffered.length; i++) {
      if (buffered.start(i) <= time + NEAR_S && time < buffered.end(i)) return true;
    }
    return false;
  }

  /** The frame before or after that moment, both in milliseconds since 1970; null where none is near. */
  async beside(wall: number, go: "back" | "forward"): Promise<number | null> {
    const asked = new URLSearchParams({ at: new Date(wall).toISOString(), go });
    const answer = await fetch(`${this.camera.beside}?${asked}`, { signal: this.gone.signal });
    if (!answer.ok) throw await problemOf(answer);
    const { at } = (await answer.json()) as { at: string | null };
    return at === null ? null : Date.parse(at);
  }

  /** Has what is shown from `time` on loaded. */
  load(time: number): void {
    this.head = time;
    const number = this.numberAt(time + NEAR_S);
    const isComing = number === this.next || number === this.loading;
    if (!isComing && !this.isLoaded(time) && time + NEAR_S < this.duration) this.next = number;
    void this.fill();
  }

  private async fill(): Promise<void> {
    if (this.isFilling || !this.buffer) return;
    this.isFilling = true;
    try {
      while (this.wants()) {
        this.loading = this.next++;
        await this.append(this.loading);
      }
      await this.trim();
    } catch (error) {
      this.fail(error);
    } finally {
      this.isFilling = false;
      this.loading = null;
    }
  }

  private wants(): boolean {
    const segment = this.segments[this.next];
    return segment !== undefined && !this.gone.signal.aborted && segment.start < this.head + AHEAD_S;
  }

  private async append(number: number): Promise<void> {
    const segment = this.segments[number];
    if (!segment || !this.buffer || segment.isGap) return;
    if (segment.init && segment.init !== this.init) {
      await this.put(await bytes(segment.init, this.gone.signal));
      this.init = segment.init;
    }
    const data = await bytes(segment.url, this.gone.signal);
    if (number !== this.next - 1) return; // somebody jumped elsewhere meanwhile
    this.buffer.timestampOffset = segment.start;
    await this.put(data);
  }

  private async put(data: ArrayBuffer): Promise<void> {
    if (!this.buffer) return;
    this.buffer.appendBuffer(data);
    await once(this.buffer, "updateend", this.gone.signal);
  }

  private async trim(): Promise<void> {
    const until = Math.min(this.head, this.video.currentTime) - KEEP_S;
    if (this.buffer && until > 0 && this.buffer.buffered.length && this.buffer.buffered.start(0) < until) {
      this.buffer.remove(0, until);
      await once(this.buffer, "updateend", this.gone.signal);
    }
  }
}

async function bytes(url: string, signal: AbortSignal): Promise<ArrayBuffer> {
  const answer = await fetch(url, { signal });
  if (!answer.ok) throw await problemOf(answer);
  return answer.arrayBuffer();
}

function once(target: EventTarget, name: string, signal: AbortSignal): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const stop = new AbortController();
    signal.addEventListener("abort", () => { stop.abort(); reject(new Error("closed")); }, { signal: stop.signal });
    target.addEventListener(name, () => { stop.abort(); resolve(); }, { signal: stop.signal });
    target.addEventListener("error", () => { stop.abort(); reject(new Error(t("recording.failed"))); },
      { signal: stop.signal });
  });
}
