// A stretch of one camera's recording: the segments of an HLS playlist (RFC 8216) into Media Source Extensions.
// Segments that are marked as a gap are never asked for; whoever plays them is told why nothing is there.

const AHEAD_S = 12; // seconds that are loaded before they are shown
const KEEP_S = 30;
const NEAR_S = 0.05;

/** What a playlist lists: each segment's address, start and duration (s), wall time (ms), initialisation, and if it is
 * a gap. */
export function parsePlaylist(text, base) {
  const segments = [];
  let start = 0;
  let duration = 0;
  let wall = null;
  let init = null;
  let isGap = false;
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#EXT-X-MAP:")) init = new URL(/URI="([^"]*)"/.exec(line)[1], base).href;
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
  /**
   * @param {HTMLVideoElement} video where to show it
   * @param {object} camera as the API lists it
   * @param {{from: Date, until: Date, speed: number}} asked which stretch, at which wall time over the player's
   * @param {(words: string) => void} fail says what went wrong
   */
  constructor(video, camera, asked, fail) {
    this.video = video;
    this.camera = camera;
    this.speed = asked.speed;
    this.from = asked.from.getTime();
    this.window = { from: asked.from.toISOString(), to: asked.until.toISOString() };
    this.fail = (error) => { if (!this.gone.signal.aborted) fail(error.message); };
    this.gone = new AbortController();
    this.segments = [];
    this.gaps = [];
    this.next = 0;
    this.head = 0; // the player's time that is wanted: the video itself stands still in a gap
    this.init = null;
    this.loading = null;
  }

  close() {
    this.gone.abort();
    this.video.removeAttribute("src");
    this.video.load();
  }

  /** Asks for the playlist, and makes the video ready to be filled. */
  async open() {
    const { signal } = this.gone;
    const asked = new URLSearchParams({ ...this.window, speed: this.speed });
    const answer = await fetch(`${this.camera.playback}?${asked}`, { signal });
    if (!answer.ok) throw new Error(await problem(answer));
    this.segments = parsePlaylist(await answer.text(), answer.url);
    if (!this.segments.length) throw new Error("Nothing was recorded then.");
    if (this.segments.some((segment) => segment.isGap)) await this.askGaps();
    const source = new MediaSource();
    this.video.src = URL.createObjectURL(source);
    await once(source, "sourceopen", signal);
    URL.revokeObjectURL(this.video.src);
    source.duration = this.duration;
    this.buffer = source.addSourceBuffer(answer.headers.get("X-Media-Type"));
    this.buffer.mode = "sequence"; // each segment is laid where the playlist says, whatever its own clock
  }

  async askGaps() {
    const asked = new URLSearchParams(this.window);
    const answer = await fetch(`${this.camera.coverage}?${asked}`, { signal: this.gone.signal });
    if (answer.ok) this.gaps = (await answer.json()).gaps;
  }

  get duration() {
    const last = this.segments.at(-1);
    return last ? last.start + last.duration : 0;
  }

  numberAt(time) {
    return Math.max(0, this.segments.findLastIndex((segment) => segment.start <= time + 0.001));
  }

  /** The wall time of the player's, in milliseconds since 1970. */
  wallAt(time) {
    return this.from + time * 1000 * this.speed;
  }

  timeOf(wall) {
    return (wall - this.from) / 1000 / this.speed;
  }

  /** The gap that `time` is in: when it ends, and why it is there in words; null where something was recorded. */
  gapAt(time) {
    const number = this.numberAt(time);
    const segment = this.segments[number];
    if (!segment?.isGap) return null;
    const after = this.segments.findIndex((one, n) => n > number && !one.isGap);
    const end = after < 0 ? this.duration : this.segments[after].start;
    const to = segment.wall + segment.duration * 1000 * this.speed;
    const gap = this.gaps.find((one) => Date.parse(one.from) < to && Date.parse(one.to) > segment.wall);
    const words = gap ? `Missing from ${clockTime(gap.from)} to ${clockTime(gap.to)}: ${gap.cause}.`
      : "Nothing was recorded then.";
    return { end, isLast: after < 0, words };
  }

  /** Until when it can be played from `time` without anything more. */
  loadedUntil(time) {
    const { buffered } = this.video;
    for (let i = 0; i < buffered.length; i++) {
      if (buffered.start(i) <= time + NEAR_S && time < buffered.end(i)) return buffered.end(i);
    }
    return time;
  }

  isLoaded(time) {
    const { buffered } = this.video;
    for (let i = 0; i < buffered.length; i++) {
      if (buffered.start(i) <= time + NEAR_S && time < buffered.end(i)) return true;
    }
    return false;
  }

  /** Has what is shown from `time` on loaded. */
  load(time) {
    this.head = time;
    const number = this.numberAt(time + NEAR_S);
    const isComing = number === this.next || number === this.loading;
    if (!isComing && !this.isLoaded(time) && time + NEAR_S < this.duration) this.next = number;
    this.fill();
  }

  async fill() {
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

  wants() {
    const segment = this.segments[this.next];
    return segment && !this.gone.signal.aborted && segment.start < this.head + AHEAD_S;
  }

  async append(number) {
    const segment = this.segments[number];
    if (segment.isGap) return;
    if (segment.init && segment.init !== this.init) {
      await this.put(await bytes(segment.init, this.gone.signal));
      this.init = segment.init;
    }
    const data = await bytes(segment.url, this.gone.signal);
    if (number !== this.next - 1) return; // somebody jumped elsewhere meanwhile
    this.buffer.timestampOffset = segment.start;
    await this.put(data);
  }

  async put(data) {
    this.buffer.appendBuffer(data);
    await once(this.buffer, "updateend", this.gone.signal);
  }

  async trim() {
    const until = Math.min(this.head, this.video.currentTime) - KEEP_S;
    if (until > 0 && this.buffer.buffered.length && this.buffer.buffered.start(0) < until) {
      this.buffer.remove(0, until);
      await once(this.buffer, "updateend", this.gone.signal);
    }
  }
}

async function bytes(url, signal) {
  const answer = await fetch(url, { signal });
  if (!answer.ok) throw new Error(await problem(answer));
  return answer.arrayBuffer();
}

/** What an answer says went wrong (RFC 9457), for people. */
export async function problem(answer) {
  try {
    const told = await answer.json();
    return `${told.title}: ${told.detail}.`;
  } catch {
    return `The answer was ${answer.status}.`;
  }
}

export const clockTime = (moment) => new Date(moment).toLocaleTimeString();

/** A moment as `<input type="datetime-local">` holds it. */
export function localTime(ms) {
  const at = new Date(ms);
  return new Date(ms - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function once(target, name, signal) {
  return new Promise((resolve, reject) => {
    const stop = new AbortController();
    signal.addEventListener("abort", () => { stop.abort(); reject(new Error("closed")); }, { signal: stop.signal });
    target.addEventListener(name, () => { stop.abort(); resolve(); }, { signal: stop.signal });
    target.addEventListener("error", () => { stop.abort(); reject(new Error("The player failed.")); },
      { signal: stop.signal });
  });
}
