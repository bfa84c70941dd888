// Recorded pictures: the segments of an HLS playlist (RFC 8216) into Media Source Extensions; seeks to any of them.
// Segments of a gap are asked for too: their pictures are covered, and say that there is none.

const AHEAD_S = 12; // seconds that are loaded before they are shown
const KEEP_S = 30;

/** What a playlist lists: for each segment its address, start and duration in seconds, wall time and initialisation. */
export function parsePlaylist(text, base) {
  const segments = [];
  let start = 0;
  let duration = 0;
  let wall = null;
  let init = null;
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#EXT-X-MAP:")) init = new URL(/URI="([^"]*)"/.exec(line)[1], base).href;
    else if (line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")) wall = Date.parse(line.slice(25));
    else if (line.startsWith("#EXTINF:")) duration = parseFloat(line.slice(8));
    else if (line && !line.startsWith("#")) {
      segments.push({ url: new URL(line, base).href, start, duration, wall, init });
      start += duration;
    }
  }
  return segments;
}

export class Playback {
  /**
   * @param {HTMLVideoElement} video where to show it
   * @param {string} url of the playlist
   * @param {number} speed of the playlist: wall time over the player's
   * @param {(words: string, isBad: boolean) => void} say what is going on
   */
  constructor(video, url, speed, say) {
    this.video = video;
    this.speed = speed;
    this.say = say;
    this.gone = new AbortController();
    this.next = 0;
    this.init = null;
    this.open(url).catch((error) => {
      if (!this.gone.signal.aborted) say(error.message, true);
    });
  }

  close() {
    this.gone.abort();
    this.video.removeAttribute("src");
    this.video.load();
  }

  /** The wall time of what is shown, in milliseconds since 1970, or null. */
  get wall() {
    const at = this.video.currentTime;
    const one = this.segments?.findLast((segment) => segment.start <= at + 0.001);
    return one && one.wall !== null ? one.wall + (at - one.start) * 1000 * this.speed : null;
  }

  async open(url) {
    this.say("Asking for the recording …", false);
    const answer = await fetch(url, { signal: this.gone.signal });
    if (!answer.ok) throw new Error(await problem(answer));
    this.segments = parsePlaylist(await answer.text(), answer.url);
    if (!this.segments.length) throw new Error("Nothing was recorded then.");
    const mime = answer.headers.get("X-Media-Type");
    const source = new MediaSource();
    this.video.src = URL.createObjectURL(source);
    await once(source, "sourceopen", this.gone.signal);
    const last = this.segments.at(-1);
    source.duration = last.start + last.duration;
    this.buffer = source.addSourceBuffer(mime);
    this.buffer.mode = "sequence"; // each segment is laid where the playlist says, whatever its own clock
    this.video.addEventListener("seeking", () => this.seek(), { signal: this.gone.signal });
    this.video.addEventListener("timeupdate", () => this.load(), { signal: this.gone.signal });
    this.say("Recorded", false);
    await this.load();
    await this.video.play().catch(() => {});
  }

  isLoaded(time) {
    const { buffered } = this.video;
    for (let i = 0; i < buffered.length; i++) {
      if (buffered.start(i) <= time + 0.05 && time < buffered.end(i)) return true;
    }
    return false;
  }

  seek() {
    const at = this.video.currentTime;
    if (!this.isLoaded(at)) {
      this.next = Math.max(0, this.segments.findLastIndex((segment) => segment.start <= at + 0.001));
    }
    this.load();
  }

  async load() {
    if (this.isLoading) return;
    this.isLoading = true;
    try {
      while (this.wants()) await this.append(this.next++);
      await this.trim();
    } catch (error) {
      if (!this.gone.signal.aborted) this.say(error.message, true);
    } finally {
      this.isLoading = false;
    }
  }

  wants() {
    const segment = this.segments[this.next];
    return segment && !this.gone.signal.aborted && segment.start < this.video.currentTime + AHEAD_S;
  }

  async append(number) {
    const segment = this.segments[number];
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
    const until = this.video.currentTime - KEEP_S;
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

function once(target, name, signal) {
  return new Promise((resolve, reject) => {
    const stop = new AbortController();
    signal.addEventListener("abort", () => { stop.abort(); reject(new Error("closed")); }, { signal: stop.signal });
    target.addEventListener(name, () => { stop.abort(); resolve(); }, { signal: stop.signal });
    target.addEventListener("error", () => { stop.abort(); reject(new Error("The player failed.")); },
      { signal: stop.signal });
  });
}
