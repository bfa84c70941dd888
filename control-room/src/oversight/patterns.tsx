// Who looked at what, how often; and what is worth a question.

import type { Entry } from "../api";
import { count, t } from "../words";

const NIGHT = [22, 6] as const; // hours of this browser's clock
const MANY_NIGHTS = 3;
const HOUR_MS = 3_600_000;

interface Looks {
  person: string;
  camera: string;
  looks: number;
  clear: number;
  nights: Set<string>;
}

function looksOf(entries: Entry[]): Looks[] {
  const found = new Map<string, Looks>();
  for (const entry of entries) {
    const viewer = entry.parts["viewer"] as { person?: string } | null | undefined;
    if (entry.kind !== "view" || !viewer?.person) continue;
    const camera = String(entry.facts["camera"] ?? "");
    const key = `${viewer.person} ${camera}`;
    const looks = found.get(key) ?? { person: viewer.person, camera, looks: 0, clear: 0, nights: new Set<string>() };
    found.set(key, looks);
    looks.looks++;
    if (entry.facts["media"] === "clear") looks.clear++;
    const at = new Date(entry.at);
    // A night is one, also after midnight: it is counted as the day on which it began.
    if (at.getHours() >= NIGHT[0] || at.getHours() < NIGHT[1]) looks.nights.add(new Date(at.getTime() - NIGHT[1] * HOUR_MS).toDateString());
  }
  return [...found.values()].sort((one, other) => other.looks - one.looks);
}

interface PatternsProps {
  entries: Entry[];
  names: Map<string, string>;
  /** What cameras are called. */
  titles: Map<string, string>;
}

export function Patterns({ entries, names, titles }: PatternsProps) {
  const looks = looksOf(entries);
  const odd = looks.filter((one) => one.nights.size >= MANY_NIGHTS);
  const named = (person: string): string => names.get(person) ?? person.slice(0, 8);
  return (
    <details id="patterns" class="card">
      <summary>{t("patterns.title")}</summary>
      {odd.map((one) => (
        <p key={one.person + one.camera} class="bad">
          {t("patterns.nights", { name: named(one.person), camera: titles.get(one.camera) ?? one.camera, nights: one.nights.size })}
        </p>
      ))}
      <div class="scroll">
        <table class="stacks">
          <caption class="unseen">{t("patterns.title")}</caption>
          <thead><tr><th>{t("patterns.person")}</th><th>{t("patterns.camera")}</th><th>{t("patterns.looks")}</th><th>{t("patterns.clear")}</th><th>{t("patterns.night")}</th></tr></thead>
          <tbody>
            {looks.slice(0, 50).map((one) => (
              <tr key={one.person + one.camera}>
                <th scope="row">{named(one.person)}</th>
                <td data-label={t("patterns.camera")}>{titles.get(one.camera) ?? one.camera}</td>
                <td data-label={t("patterns.looks")}>{count(one.looks)}</td>
                <td data-label={t("patterns.clear")}>{count(one.clear)}</td>
                <td data-label={t("patterns.night")}>{one.nights.size}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="quiet">{t("patterns.hint", { count: count(entries.length) })}</p>
    </details>
  );
}
