// What people read: messages by language, numbers, dates and times as they write them.

import { IntlMessageFormat } from "intl-messageformat";
import { signal } from "@preact/signals";
import en from "../words/en.json";
import ru from "../words/ru.json";
import tg from "../words/tg.json";

export type Key = keyof typeof en;
type Values = Record<string, string | number>;

export const LANGUAGES = { en: "English", ru: "Русский", tg: "Тоҷикӣ" } as const;
export type Language = keyof typeof LANGUAGES;
const MESSAGES: Record<Language, Record<Key, string>> = { en, ru, tg };
const KEPT = "civicam-language";

export const language = signal<Language>(first());
const compiled = new Map<string, IntlMessageFormat>();

function first(): Language {
  const wanted = [localStorage.getItem(KEPT), ...navigator.languages.map((one) => one.slice(0, 2))];
  return wanted.find((one): one is Language => one !== null && one in LANGUAGES) ?? "en";
}

export function speak(chosen: Language): void {
  localStorage.setItem(KEPT, chosen);
  language.value = chosen;
  document.documentElement.lang = chosen;
}

/** The message in the language that was chosen (ICU MessageFormat). */
export function t(key: Key, values: Values = {}): string {
  const name = `${language.value} ${key}`;
  let message = compiled.get(name);
  if (!message) compiled.set(name, (message = new IntlMessageFormat(MESSAGES[language.value][key], language.value)));
  return String(message.format(values));
}

/** What the server names by a code, in words; the code itself where there are none. */
export function coded(group: "state" | "cause" | "kind" | "fact" | "level" | "problem" | "purpose" | "refusal" | "what", code: string, values: Values = {}): string {
  const key = `${group}.${code.replace(/ /g, "-")}`;
  return key in en ? t(key as Key, values) : code;
}

const shown = (options: Intl.DateTimeFormatOptions) => (at: string | number | Date) =>
  new Intl.DateTimeFormat(language.value, options).format(new Date(at));

export const clockTime = shown({ timeStyle: "medium" });
export const dayTime = shown({ dateStyle: "medium", timeStyle: "medium" });
/** To the hundredth of a second, where frames are told apart. */
export const frameTime = shown({ year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 2 });
export const dayOnly = shown({ dateStyle: "medium" });
export const percent = (share: number, digits = 2): string =>
  new Intl.NumberFormat(language.value, { style: "percent", maximumFractionDigits: digits }).format(share);
/** How a camera's picture is. */
export const stateOf = (conditions: { code: string; since: string | null }[]): string =>
  conditions.map(({ code, since }) => coded("state", code, { since: since ? clockTime(since) : "" })).join("; ");
export const count = (number: number): string => new Intl.NumberFormat(language.value).format(number);

/** A moment as `<input type="datetime-local">` holds it. */
export function localTime(ms: number): string {
  const at = new Date(ms);
  return new Date(ms - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
