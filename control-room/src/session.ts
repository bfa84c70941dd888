// Who is signed in, and that somebody signs in first.

import { computed, signal } from "@preact/signals";
import { GET, once, POST, Refused, type Me } from "./api";

export const me = signal<Me | null>(null);
/** Somebody is to sign in. */
export const isAsked = signal(false);
/** Somebody was signed in, and is no more. */
export const wasIn = signal(false);
export const roles = computed(() => new Set(me.value?.rights.map((right) => right.role) ?? []));
/** The city asks nobody who they are: this machine's own people look. */
export const isLocal = signal(false);

let waiting: { promise: Promise<void>; done: () => void } | null = null;

/** Resolves once somebody has signed in. */
export function signIn(): Promise<void> {
  if (!waiting) {
    let done = (): void => {};
    waiting = { promise: new Promise((resolve) => { done = resolve; }), done: () => done() };
    wasIn.value = me.value !== null;
    me.value = null;
    isAsked.value = !invitation() && !firstStart();
  }
  return waiting.promise;
}

/** Somebody has signed in. */
export async function entered(): Promise<void> {
  isAsked.value = false;
  await findOut();
  waiting?.done();
  waiting = null;
}

/** How people sign in here. */
export const ways = signal({ city: "", elsewhere: false, is_founded: true });
/** The city's name. */
export const city = signal("civicam");

/** Finds out which city this is, and who is signed in. */
export async function findOut(): Promise<void> {
  try {
    ways.value = await once(() => GET("/api/sign-in"));
    city.value = ways.value.city;
  } catch (error) {
    isLocal.value = error instanceof Refused && error.status === 404;
  }
  if (isLocal.value) await once(() => GET("/api/cameras")).then((found) => { city.value = found.name; }, () => {});
  else me.value = await once(() => GET("/api/session")).catch(() => null);
}

export async function signOut(): Promise<void> {
  await once(() => POST("/api/session/end")).catch(() => null);
  location.reload();
}

const inAddress = (name: string): string | null => new URLSearchParams(location.hash.slice(1)).get(name);

/** What stands in the address of somebody who was invited. */
export const invitation = (): string | null => inAddress("invitation");
/** What stands in the address that the machine tells at its first start. */
export const firstStart = (): string | null => inAddress("first-start");
