// The ledger, to be read: what happened, who looked at what, and what is worth a question.

import { useState } from "preact/hooks";
import { ask, GET, named as calledBy, wordsOf, type Entry } from "../api";
import { isSigned } from "../ledger/checkpoint";
import { ProofError } from "../ledger/hashing";
import { Trouble, useKept } from "../parts";
import { coded, count, dayTime, t } from "../words";
import { Patterns } from "./patterns";
import { provenEntry, readCheckpoint } from "./proof";

const EVERY_MS = 5000;
const STEP = 200;
const MOST = 500;
const HASH = /^(?:[0-9a-f]{64}|[A-Za-z0-9+/]{43}=)$/;
const HASH_SHOWN = 12;
const MOMENT = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;
const GLASS = "break-glass";

export function Oversight() {
  const [last, setLast] = useState(STEP);
  const [before, setBefore] = useState<number | null>(null);
  const [kind, setKind] = useState("");
  const [wanted, want] = useState("");
  const query = { last, ...(before === null ? {} : { before }) };
  const ledger = useKept(() => ask(() => GET("/api/ledger", { params: { query } })), EVERY_MS, [last, before]);
  const people = useKept(() => ask(() => GET("/api/people")), 60_000);
  const register = useKept(() => ask(() => GET("/api/register")), 60_000);
  const titles = new Map(register.data?.cameras.map((camera) => [camera.id, calledBy(camera)]));
  const names = new Map(people.data?.people.map((one) => [one.id, one.name]));
  const entries = [...(ledger.data?.entries ?? [])].reverse();
  const kinds = [...new Set(entries.map((one) => one.kind))].sort();
  const shown = entries.filter((one) => (!kind || one.kind === kind) && told(one, names, titles).toLowerCase().includes(wanted.toLowerCase()));
  const glass = entries.filter((one) => one.kind === GLASS);
  return (
    <>
      <h2>{t("page.oversight")}</h2>
      <Trouble words={ledger.trouble || people.trouble} />
      {glass.length > 0 && <p class="bad" role="status">{t("ledger.glass", { count: glass.length })}</p>}
      <Patterns entries={entries} names={names} titles={titles} />
      <form id="filter" onSubmit={(event) => event.preventDefault()}>
        <label>
          {t("ledger.kind")}
          <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
            <option value="">{t("ledger.every")}</option>
            {kinds.map((one) => <option key={one} value={one}>{coded("kind", one)}</option>)}
          </select>
        </label>
        <label>{t("ledger.find")} <input type="search" value={wanted} onInput={(event) => want(event.currentTarget.value)} /></label>
        <label>
          {t("ledger.before")}
          <input type="number" min="0" value={before ?? ""} onChange={(event) => setBefore(event.currentTarget.value ? Number(event.currentTarget.value) : null)} />
        </label>
        {last < MOST && <button type="button" onClick={() => setLast(Math.min(MOST, last + STEP))}>{t("ledger.more")}</button>}
      </form>
      <p class="quiet">{ledger.data ? t("ledger.shown", { shown: count(shown.length), size: count(ledger.data.size) }) : t("loading")}</p>
      <div class="scroll">
        <table id="ledger" class="stacks">
          <caption class="unseen">{t("page.oversight")}</caption>
          <thead><tr><th>{t("ledger.number")}</th><th>{t("ledger.at")}</th><th>{t("ledger.what")}</th><th>{t("ledger.who")}</th><th>{t("ledger.proof")}</th></tr></thead>
          <tbody>{shown.map((one) => <Row key={one.index} entry={one} names={names} titles={titles} verifier={ledger.data?.verifier ?? ""} />)}</tbody>
        </table>
      </div>
    </>
  );
}

type Names = Map<string, string>;

/** An entry's facts in a line. */
function facts(entry: Entry, titles: Names): string {
  const known = (value: unknown): string => titles.get(String(value)) ?? coded("what", coded("purpose", coded("refusal", String(value))));
  const said = (value: unknown): string => {
    const words = String(value);
    if (HASH.test(words)) return `${words.slice(0, HASH_SHOWN)}…`;
    return MOMENT.test(words) ? dayTime(words) : known(words);
  };
  // Hashes last: what people look for comes first.
  const rows = Object.entries(entry.facts).sort(([, one], [, other]) => Number(HASH.test(String(one))) - Number(HASH.test(String(other))));
  return rows.map(([name, value]) => `${coded("fact", name)}: ${Array.isArray(value) ? value.map(said).join(", ") : said(value)}`).join(" · ");
}

function parts(entry: Entry, names: Names): string {
  return Object.entries(entry.parts).map(([role, part]) => {
    if (part === null) return `${coded("fact", role)}: ${t("ledger.erased")}`;
    const { person = "", ...rest } = part as Record<string, string>;
    const known = names.get(person) ?? (/^0*$/.test(person) ? t("ledger.nobody") : person.slice(0, 8));
    const more = Object.entries(rest).map(([name, value]) => `${coded("fact", name)}: ${value}`).join(", ");
    return `${coded("fact", role)}: ${known}${more ? ` (${more})` : ""}`;
  }).join(" · ");
}

const told = (entry: Entry, names: Names, titles: Names): string => `${coded("kind", entry.kind)} ${facts(entry, titles)} ${parts(entry, names)}`;

function Row({ entry, names, titles, verifier }: { entry: Entry; names: Names; titles: Names; verifier: string }) {
  return (
    <tr class={entry.kind === GLASS ? "bad" : ""} data-kind={entry.kind}>
      <th scope="row">{entry.index}</th>
      <td data-label={t("ledger.at")}>{dayTime(entry.at)}</td>
      <td data-label={t("ledger.what")}><strong>{coded("kind", entry.kind)}</strong><br /><span class="quiet">{facts(entry, titles)}</span></td>
      <td data-label={t("ledger.who")}>{parts(entry, names)}</td>
      <td data-label={t("ledger.proof")}><Proof entry={entry} verifier={verifier} /></td>
    </tr>
  );
}

const KEPT = "civicam-ledger-key";

/** The key that this browser saw first: a city does not change it unseen. */
function pinned(verifier: string): string {
  const known = localStorage.getItem(KEPT);
  if (known === null) localStorage.setItem(KEPT, verifier);
  return known ?? verifier;
}

const sorted = (facts: Record<string, unknown>): string =>
  JSON.stringify(Object.entries(facts).sort(([one], [other]) => (one < other ? -1 : 1)));

/** Whether what is shown of an entry is what stands in it. */
function isShownAs(bytes: Uint8Array, entry: Entry): boolean {
  const { v, kind, at, parts: committed, ...rest } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  const roles = Object.keys((committed as Record<string, string> | undefined) ?? {});
  const isKnown = Object.keys(entry.parts).every((role) => roles.includes(role));
  return v !== undefined && kind === entry.kind && at === entry.at && isKnown && sorted(rest) === sorted(entry.facts);
}

function Proof({ entry, verifier }: { entry: Entry; verifier: string }) {
  const { index } = entry;
  const [said, say] = useState<{ words: string; isBad: boolean } | null>(null);
  const check = async (): Promise<void> => {
    try {
      const checkpoint = await readCheckpoint();
      if (!(await isSigned(checkpoint, pinned(verifier)))) throw new ProofError(t("proof.unsigned"));
      if (!isShownAs(await provenEntry(checkpoint, index), entry)) throw new ProofError(t("proof.other"));
      say({ words: t("proof.holds", { size: count(checkpoint.size) }), isBad: false });
    } catch (error) {
      const why = wordsOf(error);
      say({ words: t(error instanceof ProofError ? "proof.fails" : "proof.unchecked", { why }), isBad: true });
    }
  };
  return (
    <>
      <button type="button" class="small" onClick={() => void check()}>{t("proof.check")}<span class="unseen"> {index}</span></button>
      <span role="status" class={said?.isBad ? "bad" : "well"}>{said?.words}</span>
    </>
  );
}
