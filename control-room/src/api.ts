// Asks this city's server; the types are those of its own description.

import createClient from "openapi-fetch";
import { signIn } from "./session";
import { coded, language } from "./words";
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
export type Camera = Schemas["CameraModel"];
export type City = Schemas["CityModel"];
export type Coverage = Schemas["CoverageModel"];
export type Gap = Coverage["gaps"][number];
export type CasesModel = Schemas["CasesModel"];
export type Grant = CasesModel["grants"][number];
export type Export = Schemas["ExportModel"];
export type Hold = Schemas["HoldModel"];
export type ResidentRequest = Schemas["RequestModel"];
export type RefusalReason = Schemas["RefusalReason"];
export type PeopleModel = Schemas["PeopleModel"];
export type Person = PeopleModel["people"][number];
export type Change = Schemas["ChangeModel"];
export type CameraDays = Schemas["CameraDays"];
export type Machine = Schemas["MachineModel"];
export type Entry = Schemas["EntryModel"];
export type Me = Schemas["Me"];

/** A camera as people tell it from others that are called alike. */
export const named = (camera: { id: string; title: string }): string => (camera.title === camera.id ? camera.id : `${camera.title} · ${camera.id}`);

const plain = (words: string): string => words.toLowerCase().replace(/[\s·_-]+/g, " ");
/** Whether a camera's name has all the words that somebody looks for, however they are joined. */
export const isFound = (camera: { id: string; title: string }, wanted: string): boolean =>
  plain(wanted).split(" ").every((word) => plain(named(camera)).includes(word));

// What changes something is JSON, also where there is nothing to say.
const client = createClient<paths>({ baseUrl: location.origin, headers: { "Content-Type": "application/json" } });
export const { GET, POST } = client;

/** What the server says cannot be done, in its own words (RFC 9457). */
export class Refused extends Error {
  constructor(message: string, readonly status: number) {
    super(message);
  }
}

/** What went wrong, in words. */
export const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** What an answer that is no success says went wrong. */
export async function problemOf(answer: Response): Promise<Refused> {
  return refused(await answer.json().catch(() => null), answer);
}

function refused(said: unknown, answer: Response): Refused {
  const { title, detail } = (said ?? {}) as { title?: string; detail?: string };
  const words = detail ?? title ?? String(answer.status);
  return new Refused(language.value === "en" ? words : `${coded("problem", String(answer.status))}: ${words}`, answer.status);
}

/** Does it once, whoever is signed in; throws `Refused`. */
export async function once<T>(work: () => Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await work();
  if (!response.ok) throw refused(error, response);
  return data as T;
}

/** Does it; where nobody is signed in, somebody signs in first. */
export async function ask<T>(work: () => Promise<Answer<T>>): Promise<T> {
  for (;;) {
    try {
      return await once(work);
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) throw error;
      await signIn();
    }
  }
}
