// Stills of the tiles that can be seen, renewed at each of the camera's keys; a few are asked for at a time.

import type { Camera } from "../api";

const EVERY_MS = 2000;
const AT_ONCE = 4;

interface Tile {
  camera: Camera;
  image: HTMLImageElement;
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
  keep(camera: Camera, image: HTMLImageElement): () => void {
    this.tiles.set(image, { camera, image, etag: null, isSeen: false });
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
    if (!answer.ok || !this.tiles.has(tile.image)) return;
    const old = tile.image.src;
    tile.image.src = URL.createObjectURL(await answer.blob());
    tile.etag = answer.headers.get("ETag");
    if (old) URL.revokeObjectURL(old);
  }
}

export const stills = new Stills();
