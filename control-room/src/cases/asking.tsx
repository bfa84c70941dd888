// To open a case, to ask for a grant, to break the glass.

import { once, POST, type Camera, type CasesModel } from "../api";
import { submits, text } from "../forms";
import type { Does } from "../parts";
import { coded, localTime, t } from "../words";
import { Cameras, moment, newest, ticked } from "./fields";

const MINUTE_MS = 60_000;

export function OpenCase({ purposes, does }: { purposes: string[]; does: Does }) {
  const open = submits(does, (form) =>
    once(() =>
      POST("/api/cases", {
        body: { number: text(form, "number"), purpose: text(form, "purpose"), legal_reference: text(form, "legal") },
      }),
    ),
  );
  return (
    <details id="open-case" class="card">
      <summary>{t("case.open")}</summary>
      <form onSubmit={open}>
        <label>{t("case.its")} <input name="number" maxLength={200} required /></label>
        <label>
          {t("case.purpose")}
          <select name="purpose">{purposes.map((one) => <option key={one} value={one}>{coded("purpose", one)}</option>)}</select>
        </label>
        <label>{t("case.legal")} <input name="legal" maxLength={200} required /></label>
        <button class="main">{t("case.doopen")}</button> <span data-sent="" role="status" class="well" />
      </form>
    </details>
  );
}

function Stretch({ isNow = false }: { isNow?: boolean }) {
  const now = Date.now();
  return (
    <>
      <label>{t("grant.from")} <input name="from" type="datetime-local" step="1" required defaultValue={localTime(now - 15 * MINUTE_MS)} /></label>
      <label>{t("grant.to")} <input name="to" type="datetime-local" step="1" required defaultValue={localTime(isNow ? now + 15 * MINUTE_MS : now)} /></label>
      <label class="wide">{t("grant.why")} <input name="reason" maxLength={1000} required /></label>
    </>
  );
}

interface AskProps {
  cases: CasesModel["cases"];
  cameras: Camera[];
  does: Does;
}

export function AskForGrant({ cases, cameras, does }: AskProps) {
  const asks = submits(does, (form) =>
    once(() =>
      POST("/api/grants", {
        body: {
          case: text(form, "case"),
          cameras: ticked(form),
          from: moment(form, "from"),
          to: moment(form, "to"),
          reason: text(form, "reason"),
          hours: Number(text(form, "hours")),
        },
      }),
    ),
  );
  return (
    <details id="ask-grant" class="card">
      <summary>{t("grant.ask")}</summary>
      <form onSubmit={asks}>
        <label>
          {t("grant.case")}
          <select name="case" required key={newest(cases)[0]?.number}>{newest(cases).filter((one) => !one.closed).map((one) => <option key={one.number}>{one.number}</option>)}</select>
        </label>
        <Stretch />
        <label>{t("grant.hours")} <input name="hours" type="number" min="0.1" max="24" step="any" defaultValue="2" required /></label>
        <Cameras cameras={cameras} />
        <button class="main">{t("grant.doask")}</button> <span data-sent="" role="status" class="well" />
      </form>
      <p class="quiet">{t("grant.hint")}</p>
    </details>
  );
}

export function BreakGlass({ cameras, does }: { cameras: Camera[]; does: Does }) {
  const breaks = submits(does, (form) =>
    once(() =>
      POST("/api/break-glass", {
        body: {
          cameras: ticked(form),
          from: moment(form, "from"),
          to: moment(form, "to"),
          reason: text(form, "reason"),
        },
      }),
    ),
  );
  return (
    <details id="break-glass" class="card glass">
      <summary>{t("glass.break")}</summary>
      <p>{t("glass.hint")}</p>
      <form onSubmit={breaks}>
        <Stretch isNow />
        <Cameras cameras={cameras} />
        <button class="alarm">{t("glass.do")}</button> <span data-sent="" role="status" class="well" />
      </form>
    </details>
  );
}
