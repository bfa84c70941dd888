// Exports: packages of footage for somebody outside, ordered under a grant, made in a while, fetched by a link.

import { useState } from "preact/hooks";
import { ask, GET, once, POST, type Export, type Grant } from "../api";
import { text } from "../forms";
import { CopyLink, Sure, Trouble, useDeed, useKept, type Does } from "../parts";
import { roles } from "../session";
import { ticked } from "./fields";
import { Places, sent, type Place } from "./places";
import { dayTime, localTime, percent, t, type Key } from "../words";

const EVERY_MS = 2000;
const DAYS = 7;
const LONGEST_DAYS = 14;
const RESIDENT = "request of a resident";

interface OrderProps {
  grant: Grant;
  /** What its case is for. */
  purpose: string;
  titles: Map<string, string>;
}

/** To order an export under a grant: its cameras and its stretch, or less of both. */
export function OrderExport({ grant, purpose, titles }: OrderProps) {
  const [link, tell] = useState("");
  const [isRedacted, redact] = useState(purpose === RESIDENT);
  const [places, place] = useState<Place[]>([]);
  const { said, does } = useDeed(() => {});
  const onSubmit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    tell("");
    does(async () => {
      const cameras = ticked(form);
      // What was not changed is the grant's own stretch, to the millisecond.
      const moment = (name: "from" | "to"): string => {
        const typed = Date.parse(text(form, name)); // browsers leave out seconds that are none
        return typed === Date.parse(localTime(Date.parse(grant[name]))) ? grant[name] : new Date(typed).toISOString();
      };
      const stretch = { from: moment("from"), to: moment("to") };
      const body = {
        grant: grant.id,
        cameras,
        ...stretch,
        recipient: text(form, "recipient"),
        days: Number(text(form, "days")),
        redacted: isRedacted,
        shown: isRedacted ? places.filter((one) => !one.covers).map((one) => sent(one, stretch)) : [],
        covered: isRedacted ? places.filter((one) => one.covers).map((one) => sent(one, stretch)) : [],
      };
      tell(`${location.origin}${(await once(() => POST("/api/exports", { body }))).link}`);
    });
  };
  return (
    <details class="order">
      <summary>{t("export.order")}</summary>
      <form onSubmit={onSubmit}>
        <label>{t("export.recipient")} <input name="recipient" maxLength={200} required defaultValue={purpose === RESIDENT ? t("export.asker") : ""} /></label>
        <label>{t("grant.from")} <input name="from" type="datetime-local" step="1" required defaultValue={localTime(Date.parse(grant.from))} /></label>
        <label>{t("grant.to")} <input name="to" type="datetime-local" step="1" required defaultValue={localTime(Date.parse(grant.to))} /></label>
        <label>{t("export.days")} <input name="days" type="number" min="0.05" max={LONGEST_DAYS} step="any" defaultValue={String(DAYS)} required /></label>
        <fieldset>
          <legend>{t("grant.cameras")}</legend>
          <div class="boxes">
            {grant.cameras.map((id) => <label key={id}><input type="checkbox" name="camera" value={id} defaultChecked /> {titles.get(id) ?? id}</label>)}
          </div>
        </fieldset>
        <fieldset>
          <legend>{t("export.what")}</legend>
          {purpose !== RESIDENT && <label><input type="radio" name="what" checked={!isRedacted} onChange={() => redact(false)} /> {t("export.original")}</label>}
          <label><input type="radio" name="what" checked={isRedacted} onChange={() => redact(true)} /> {t("export.redacted")}</label>
        </fieldset>
        {isRedacted && <Places grant={grant} titles={titles} places={places} onChange={place} />}
        <button class="main">{t("export.doorder")}</button>
      </form>
      <p class="quiet">{t(isRedacted ? "export.redactedhint" : "export.hint")}</p>
      <Trouble words={said} />
      {link && (
        <p class="export-link">
          <CopyLink label={t("export.link")} link={link} />
        </p>
      )}
    </details>
  );
}

/** All exports that somebody may know of, and how far they are. */
export function Exports({ titles }: { titles: Map<string, string> }) {
  const { data, trouble, again } = useKept(() => ask(() => GET("/api/exports")), EVERY_MS);
  const { said, does } = useDeed(again);
  if (!data?.length) return <Trouble words={trouble} />;
  return (
    <section id="exports" class="card" aria-label={t("export.title")}>
      <h3>{t("export.title")}</h3>
      <Trouble words={trouble || said} />
      <ul class="grants">{data.map((one) => <Row key={one.id} one={one} titles={titles} does={does} />)}</ul>
    </section>
  );
}

function Row({ one, titles, does }: { one: Export; titles: Map<string, string>; does: Does }) {
  const withdraw = (): void => does(() => once(() => POST("/api/exports/{number}/withdraw", { params: { path: { number: one.id } } })));
  const mayWithdraw = one.is_own || roles.value.has("approver");
  const words = t(`export.${one.state}` as Key);
  const isHeld = one.state === "ready" || one.state === "making";
  return (
    <li class={`grant ${one.state === "ready" ? "approved" : "asked"}`}>
      <p>
        <strong>{t("export.number", { number: one.id })}</strong>{one.redacted && ` · ${t("export.isredacted")}`} <span class="state" data-state={one.state}>{words}</span>{" "}
        {one.state === "making" && <progress max={1} value={one.share} aria-label={words}>{percent(one.share, 0)}</progress>}
        {one.why && <span class="bad"> {one.why}</span>}
      </p>
      <p>
        {t("export.for", { by: one.name, recipient: one.recipient, grant: one.grant })}:{" "}
        {one.cameras.map((id) => titles.get(id) ?? id).join(", ")}, {t("view.stretch", { from: dayTime(one.from), to: dayTime(one.to) })}
      </p>
      {one.shown > 0 && <p>{t("export.shown", { count: one.shown, share: percent(one.uncovered, 1) })}</p>}
      <p class="quiet">{isHeld && t("export.until", { at: dayTime(one.until) })} {t("export.received", { count: one.received })}</p>
      {one.is_own && one.state === "ready" && <p><a class="button" href={`/api/exports/${one.id}/package`} download>{t("export.look")}</a> <span class="quiet">{t("export.lookhint")}</span></p>}
      {mayWithdraw && one.state !== "making" && <Sure words={t("export.sure")} label={t("export.withdraw")} onSure={withdraw} />}
    </li>
  );
}
