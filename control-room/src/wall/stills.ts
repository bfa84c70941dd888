// Stills of the tiles that can be seen, renewed at each of the camera's keys; a few are asked for at a time.

import type { Camera } from "../api";

const EVERY_MS = 1000; // cameras send a key every second or two; what is the same costs no bytes
const AT_ONCE = 6;

interface Tile {
  camera: Camera;
  image: HTMLImageElement;
  /** Is told when the camera saw what is shown. */
  tell: (seen: string) => void;
  etag: string | null;
  isSeen: boolean;
}

class Stills {
  private readonly tiles = new Map<Element, Tile>();
  private isGoing = false;
  private readonly seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const tile = this.tiles.get(target);
      if (tile) tile.isSeen = isIntersecting;
    }
  });

  /** Renews an image until what is returned is called. */
  keep(camera: Camera, image: HTMLImageElement, tell: (seen: string) => void): () => void {
    this.tiles.set(image, { camera, image, tell, etag: null, isSeen: false });
    this.seen.observe(image);
    if (!this.isGoing) void this.go();
    return () => {
      this.seen.unobserve(image);
      this.tiles.delete(image);
      if (image.src) URL.revokeObjectURL(image.src);
    };
  }

  private async go(): Promise<void> {
    this.isGoing = true;
    while (this.tiles.size) {
      if (!document.hidden && !document.querySelector("dialog[open]")) await this.renew();
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
    this.isGoing = false;
  }

  private async renew(): Promise<void> {
    const waiting = [...this.tiles.values()].filter((tile) => tile.isSeen);
    const work = async (): Promise<void> => {
      for (let tile = waiting.shift(); tile; tile = waiting.shift()) await this.ask(tile).catch(() => {});
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  private async ask(tile: Tile): Promise<void> {
    const headers: HeadersInit = tile.etag ? { "If-None-Match": tile.etag } : {};
    const answer = await fetch(tile.camera.still, { headers, cache: "no-store" });
    const seen = answer.headers.get("X-Seen");
    if (seen) tile.tell(seen);
    if (!answer.ok || !this.tiles.has(tile.image)) return;
    const old = tile.image.src;
    tile.image.src = URL.createObjectURL(await answer.blob());
    tile.etag = answer.headers.get("ETag");
    if (old) URL.revokeObjectURL(old);
  }
}

export const stills = new Stills();
