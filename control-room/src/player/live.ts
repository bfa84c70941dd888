// Live pictures: fragments from a WebSocket into Media Source Extensions, played as close to now as they come.

import { t } from "../words";

const BEHIND_S = 1.5; // further behind than this, the player jumps to the newest picture
const LATE_S = 0.35; // further behind than this, it plays a little faster until it is nearly there
const NEAR_S = 0.15;
const FASTER = 1.1;
const KEEP_S = 10; // what was shown longer ago is let go
const WAITING_MOST = 120; // fragments that wait for the decoder; then it starts anew
const RETRY_MS = [1000, 10000] as const;
const TIMES_KEPT = 300; // frames whose wall time is known
const NTP_AHEAD_S = 2208988800; // from 1900 to 1970
const MEDIA_HZ = 90000;
const NTP_PARTS = 2 ** 32;

type Told = { type: "init"; mime: string } | { type: "state"; text: string; is_bad: boolean };

export class Live {
  private pause: number = RETRY_MS[0];
  private ended = false;
  private readonly times = new Map<number, number>();
  private timer = 0;
  private socket: WebSocket;
  private queue: ArrayBuffer[] | null = null;
  private source: MediaSource | null = null;
  private buffer: SourceBuffer | null = null;

  /**
   * @param video where to show it
   * @param url of the WebSocket
   * @param say what is going on, and whether it is bad
   */
  constructor(
    private readonly video: HTMLVideoElement,
    private readonly url: string,
    private readonly say: (words: string, isBad: boolean) => void,
  ) {
    this.socket = this.connect();
  }

  /** When the camera saw what is shown, in milliseconds since 1970, or null. */
  get wall(): number | null {
    const now = this.video.currentTime;
    let wall: number | null = null;
    for (const [start, at] of this.times) if (start / MEDIA_HZ <= now + 0.001) wall = at;
    return wall;
  }

  /** When the camera saw the frame with this `mediaTime`, or null. */
  wallOf(mediaTime: number): number | null {
    return this.times.get(Math.round(mediaTime * MEDIA_HZ)) ?? null;
  }

  close(): void {
    this.ended = true;
    clearTimeout(this.timer);
    this.socket.close();
    this.forget();
  }

  private connect(): WebSocket {
    this.say(t("live.connecting"), false);
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => this.take(event.data);
    socket.onclose = (event) => this.again(event.reason || t("live.ended"));
    return socket;
  }

  private again(why: string): void {
    if (this.ended) return;
    this.say(t("again", { why }), true);
    this.forget();
    this.timer = window.setTimeout(() => { this.socket = this.connect(); }, this.pause);
    this.pause = Math.min(this.pause * 2, RETRY_MS[1]);
  }

  private take(data: string | ArrayBuffer): void {
    if (typeof data !== "string") {
      this.note(new DataView(data));
      this.queue?.push(data);
      this.feed();
      return;
    }
    const message = JSON.parse(data) as Told;
    if (message.type === "init") this.begin(message.mime);
    if (message.type === "state") this.say(message.text, message.is_bad);
  }

  /** Keeps the time that a frame says of itself (`prft`, ISO/IEC 14496-12, 8.16.5). */
  private note(data: DataView): void {
    if (data.byteLength < 32 || data.getUint32(4) !== 0x70726674) return;
    const wall = (data.getUint32(16) - NTP_AHEAD_S + data.getUint32(20) / NTP_PARTS) * 1000;
    this.times.set(Number(data.getBigUint64(24)), wall);
    if (this.times.size > TIMES_KEPT) for (const first of this.times.keys()) { this.times.delete(first); break; }
  }

  private begin(mime: string): void {
    this.pause = RETRY_MS[0];
    this.forget();
    if (!MediaSource.isTypeSupported(mime)) {
      this.say(t("live.unsupported", { mime }), true);
      return;
    }
    this.queue = [];
    const source = new MediaSource();
    this.source = source;
    this.video.src = URL.createObjectURL(source);
    source.onsourceopen = () => {
      URL.revokeObjectURL(this.video.src);
      if (this.source !== source) return;
      this.buffer = source.addSourceBuffer(mime);
      this.buffer.onupdateend = () => this.appended();
      this.feed();
    };
  }

  private forget(): void {
    this.times.clear();
    this.queue = null;
    this.buffer = null;
    this.source = null;
    this.video.removeAttribute("src");
    this.video.load();
  }

  private feed(): void {
    if (!this.buffer || this.buffer.updating || !this.queue?.length) return;
    if (this.queue.length > WAITING_MOST || this.video.error) {
      this.socket.close(); // what is left out cannot be decoded without: begin anew
      return;
    }
    try {
      const next = this.queue.shift();
      if (next) this.buffer.appendBuffer(next);
    } catch {
      this.socket.close();
    }
  }

  private appended(): void {
    const { video, buffer } = this;
    if (!buffer) return;
    const { buffered } = buffer;
    if (buffered.length) {
      const end = buffered.end(buffered.length - 1);
      const start = buffered.start(buffered.length - 1);
      if (video.currentTime < start || end - video.currentTime > BEHIND_S) {
        video.currentTime = Math.max(start, end - 0.1);
      }
      if (end - video.currentTime > LATE_S) video.playbackRate = FASTER;
      else if (end - video.currentTime < NEAR_S) video.playbackRate = 1;
      if (video.paused) video.play().catch(() => {});
      if (!buffer.updating && video.currentTime - buffered.start(0) > 2 * KEEP_S) {
        buffer.remove(0, video.currentTime - KEEP_S);
      }
    }
    this.feed();
  }
}
