// Requests of residents for footage of themselves: taken in, found, answered or refused before their month is over.

import { ask, GET, once, POST, type Camera, type RefusalReason, type ResidentRequest } from "../api";
import { submits, text } from "../forms";
import { Sure, Trouble, useDeed, useKept, type Does } from "../parts";
import { MOST_TOGETHER } from "../player/together";
import { addressOf } from "../playback/address";
import { roles } from "../session";
import { coded, dayOnly, dayTime, localTime, t, type Key } from "../words";
import { Cameras, moment, ticked } from "./fields";

const EVERY_MS = 3000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SOON_DAYS = 7;
const DATE = "YYYY-MM-DD".length;
const REASONS: RefusalReason[] = ["identity-not-proven", "no-footage", "not-to-be-found", "rights-of-others", "excessive", "forbidden-by-law"];
/** How a list of grants shows the same. */
const CLASSES: Record<string, string> = { open: "asked", answered: "approved", refused: "refused" };

interface RequestsProps {
  cameras: Camera[];
  titles: Map<string, string>;
}

/** What residents ask for, who waits longest first, and a form to take in more. */
export function Requests({ cameras, titles }: RequestsProps) {
  const kept = useKept(() => ask(() => GET("/api/requests")), EVERY_MS);
  const { said, does } = useDeed(kept.again);
  const shown = [...(kept.data ?? [])].sort(byDue);
  return (
    <>
      <Trouble words={kept.trouble || said} />
      {shown.length > 0 && (
        <section id="requests" class="card" aria-label={t("request.title")}>
          <h3>{t("request.title")}</h3>
          <ul class="grants">{shown.map((one) => <Row key={one.id} one={one} titles={titles} does={does} />)}</ul>
        </section>
      )}
      {roles.value.has("investigator") && <Take cameras={cameras} does={does} />}
    </>
  );
}

/** Those that wait, by when they are due; then the others, the newest first. */
function byDue(one: ResidentRequest, other: ResidentRequest): number {
  if (one.state === "open" && other.state === "open") return Date.parse(one.due) - Date.parse(other.due);
  return Number(other.state === "open") - Number(one.state === "open") || other.id - one.id;
}

function Take({ cameras, does }: { cameras: Camera[]; does: Does }) {
  const now = Date.now();
  const takes = submits(does, (form) =>
    once(() =>
      POST("/api/requests", {
        body: {
          name: text(form, "name"),
          contact: text(form, "contact"),
          told: text(form, "told"),
          identity: text(form, "identity"),
          cameras: ticked(form),
          from: moment(form, "from"),
          to: moment(form, "to"),
          received: text(form, "received"),
          legal_reference: text(form, "legal"),
        },
      }),
    ),
  );
  return (
    <details id="take-request" class="card">
      <summary>{t("request.take")}</summary>
      <form onSubmit={takes}>
        <label>{t("request.name")} <input name="name" maxLength={120} required autocomplete="off" /></label>
        <label>{t("request.contact")} <input name="contact" maxLength={200} required autocomplete="off" /></label>
        <label>{t("request.received")} <input name="received" type="date" required defaultValue={localTime(now).slice(0, DATE)} max={localTime(now).slice(0, DATE)} /></label>
        <label class="wide">{t("request.identity")} <input name="identity" maxLength={200} required autocomplete="off" /></label>
        <label class="wide">{t("request.told")} <textarea name="told" rows={3} maxLength={1000} required /></label>
        <label>{t("grant.from")} <input name="from" type="datetime-local" step="1" required defaultValue={localTime(now - HOUR_MS)} /></label>
        <label>{t("grant.to")} <input name="to" type="datetime-local" step="1" required defaultValue={localTime(now)} /></label>
        <label>{t("case.legal")} <input name="legal" maxLength={200} required defaultValue="GDPR, Art. 15" /></label>
        <Cameras cameras={cameras} />
        <button class="main">{t("request.dotake")}</button> <span data-sent="" role="status" class="well" />
      </form>
      <p class="quiet">{t("request.hint")}</p>
    </details>
  );
}

interface RowProps {
  one: ResidentRequest;
  titles: Map<string, string>;
  does: Does;
}

function Row({ one, titles, does }: RowProps) {
  const number = t("request.number", { number: one.id });
  const isMine = roles.value.has("investigator");
  return (
    <li class={`grant ${CLASSES[one.state] ?? ""}`} data-state={one.state} aria-label={number}>
      <p>
        <strong>{number}</strong> <span class="state">{t(`request.${one.state}` as Key)}</span> · {t("case.number", { number: one.case })}
      </p>
      {one.state === "open" && <Clock due={one.due} day={one.due_day} />}
      {one.state === "open" && !one.is_held && <p class="bad">{t("request.unheld")}</p>}
      {one.is_forgotten ? <p class="quiet">{t("request.forgotten")}</p> : <Told one={one} />}
      <p>
        {t("request.where")} <Where one={one} titles={titles} />, {t("view.stretch", { from: dayTime(one.from), to: dayTime(one.to) })}
      </p>
      <Outcome one={one} />
      {isMine && one.state === "open" && <Decide one={one} does={does} />}
      {isMine && one.state === "answered" && !one.received_answer && !one.is_forgotten && <Answer one={one} does={does} />}
      {isMine && one.state !== "open" && !one.received_answer && !one.is_forgotten && (
        <Sure words={t("request.sure")} label={t("request.handed")} onSure={() => does(() => once(() => POST("/api/requests/{number}/received", { params: { path: { number: one.id } } })))} />
      )}
    </li>
  );
}

/** Until when it is to be answered: the last day, and how many are left. */
function Clock({ due, day: last }: { due: string; day: string }) {
  const day = dayOnly(`${last}T12:00`); // a date of the city's, wherever who reads it is
  const days = Math.floor((Date.parse(due) - Date.now()) / DAY_MS);
  if (days < 0) return <p class="bad">{t("request.late", { day })}</p>;
  return <p class={days < SOON_DAYS ? "bad" : ""}>{t(days < SOON_DAYS ? "request.soon" : "request.due", { day, days })}</p>;
}

function Told({ one }: { one: ResidentRequest }) {
  return (
    <>
      <p>{t("request.who", { name: one.name, contact: one.contact })}</p>
      <p>{t("request.says", { told: one.told })}</p>
      <p class="quiet">{t("request.came", { day: dayOnly(one.received), by: one.taken_by, identity: one.identity })}</p>
    </>
  );
}

/** Its cameras; whoever answers is led to what they recorded then, covered. */
function Where({ one, titles }: { one: ResidentRequest; titles: Map<string, string> }) {
  const named = (id: string): string => titles.get(id) ?? id;
  if (!roles.value.has("investigator")) return <>{one.cameras.map(named).join(", ")}</>;
  const link = (cameras: string[]): string => addressOf({ cameras, at: Date.parse(one.from), span: HOUR_MS });
  return (
    <>
      {one.cameras.map((id, at) => <span key={id}>{at > 0 && ", "}<a href={link([id])}>{named(id)}</a></span>)}
      {one.cameras.length > 1 && one.cameras.length <= MOST_TOGETHER && <> (<a href={link(one.cameras)}>{t("request.together")}</a>)</>}
    </>
  );
}

/** What was decided, in which words, and whether the resident has it. */
function Outcome({ one }: { one: ResidentRequest }) {
  const by = one.decided_by ?? "";
  const at = one.decided ? dayTime(one.decided) : "";
  return (
    <>
      {one.extended && <p>{t("request.delayed", { at: dayTime(one.extended), words: one.delay })}</p>}
      {one.export !== null && <p>{t("request.answeredby", { by, at, number: one.export })}</p>}
      {one.reason && <p>{t("request.refusedby", { by, at, reason: coded("refusal", one.reason), words: one.refusal })}</p>}
      {one.state !== "open" && (
        <p class="quiet">{one.received_answer ? t("request.got", { at: dayTime(one.received_answer) }) : t("request.notgot")}</p>
      )}
    </>
  );
}

/** Which export is the answer; another one may take its place until somebody received it. */
function Answer({ one, does }: { one: ResidentRequest; does: Does }) {
  const others = one.exports.filter((number) => number !== one.export);
  const answers = submits(does, (form) =>
    once(() => POST("/api/requests/{number}/answer", { params: { path: { number: one.id } }, body: { export: Number(text(form, "export")) } })), false);
  if (!others.length) {
    const isGone = one.export !== null && !one.exports.includes(one.export);
    if (one.state === "open") return <p class="quiet">{t("request.noexport", { case: one.case })}</p>;
    return isGone ? <p class="bad">{t("request.gone", { case: one.case })}</p> : null;
  }
  return (
    <form class="answer" onSubmit={answers}>
      <label>
        {t(one.state === "open" ? "request.export" : "request.other")}
        <select name="export" required>{others.map((number) => <option key={number} value={number}>{t("export.number", { number })}</option>)}</select>
      </label>
      <button class="main">{t("request.answer")}</button>
      <p class="quiet">{t("request.answerhint")}</p>
    </form>
  );
}

function Decide({ one, does }: { one: ResidentRequest; does: Does }) {
  const params = { path: { number: one.id } };
  const refuses = submits(does, (form) =>
    once(() => POST("/api/requests/{number}/refuse", { params, body: { reason: text(form, "reason") as RefusalReason, words: text(form, "words") } })), false);
  const extend = submits(does, (form) =>
    once(() => POST("/api/requests/{number}/extend", { params, body: { words: text(form, "words") } })), false);
  return (
    <>
      <Answer one={one} does={does} />
      <details class="order">
        <summary>{t("request.refuse")}</summary>
        <form onSubmit={refuses}>
          <label>
            {t("request.reason")}
            <select name="reason" required>{REASONS.map((reason) => <option key={reason} value={reason}>{coded("refusal", reason)}</option>)}</select>
          </label>
          <label class="wide">{t("request.words")} <textarea name="words" rows={3} maxLength={1000} required /></label>
          <button class="alarm">{t("request.dorefuse")}</button>
        </form>
        <p class="quiet">{t("request.refusehint")}</p>
      </details>
      {!one.extended && Date.parse(one.due) > Date.now() && (
        <details class="order">
          <summary>{t("request.extend")}</summary>
          <form onSubmit={extend}>
            <label class="wide">{t("request.delaywords")} <textarea name="words" rows={2} maxLength={1000} required /></label>
            <button>{t("request.doextend")}</button>
          </form>
          <p class="quiet">{t("request.extendhint")}</p>
        </details>
      )}
    </>
  );
}
