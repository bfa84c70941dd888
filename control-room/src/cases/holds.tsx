// Holds: footage that is kept for a case, whatever its days are; asked for by one, decided by another.

import { ask, GET, once, POST, type Camera, type CasesModel, type Hold } from "../api";
import { submits, text } from "../forms";
import { Sure, Trouble, useDeed, useKept, type Does } from "../parts";
import { roles } from "../session";
import { dayTime, localTime, t, type Key } from "../words";
import { Cameras, moment, newest, ticked } from "./fields";

const EVERY_MS = 3000;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const REVIEW_DAYS = 90;
const SOON_DAYS = 14;

interface HoldsProps {
  cases: CasesModel["cases"];
  cameras: Camera[];
  titles: Map<string, string>;
}

/** What is kept, and a form to ask for more. */
export function Holds({ cases, cameras, titles }: HoldsProps) {
  const kept = useKept(() => ask(() => GET("/api/holds")), EVERY_MS);
  const { said, does } = useDeed(kept.again);
  const now = Date.now();
  const asks = submits(does, (form) =>
    once(() =>
      POST("/api/holds", {
        body: {
          case: text(form, "case"),
          cameras: ticked(form),
          from: moment(form, "from"),
          to: moment(form, "to"),
          review: moment(form, "review"),
        },
      }),
    ),
  );
  return (
    <>
      <Trouble words={kept.trouble || said} />
      {(kept.data?.length ?? 0) > 0 && (
        <section id="holds-kept" class="card" aria-label={t("hold.title")}>
          <h3>{t("hold.title")}</h3>
          <ul class="grants">{kept.data?.map((one) => <Row key={one.id} hold={one} titles={titles} does={does} />)}</ul>
        </section>
      )}
      {roles.value.has("investigator") && (
        <details id="ask-hold" class="card">
          <summary>{t("hold.ask")}</summary>
          <form onSubmit={asks}>
            <label>
              {t("grant.case")}
              <select name="case" required key={newest(cases)[0]?.number}>{newest(cases).filter((one) => !one.closed).map((one) => <option key={one.number}>{one.number}</option>)}</select>
            </label>
            <label>{t("grant.from")} <input name="from" type="datetime-local" step="1" required defaultValue={localTime(now - HOUR_MS)} /></label>
            <label>{t("grant.to")} <input name="to" type="datetime-local" step="1" required defaultValue={localTime(now)} /></label>
            <label>{t("hold.review")} <input name="review" type="datetime-local" step="1" required defaultValue={localTime(now + REVIEW_DAYS * DAY_MS)} /></label>
            <Cameras cameras={cameras} />
            <button class="main">{t("hold.doask")}</button> <span data-sent="" role="status" class="well" />
          </form>
          <p class="quiet">{t("hold.hint")}</p>
        </details>
      )}
    </>
  );
}

function Row({ hold, titles, does }: { hold: Hold; titles: Map<string, string>; does: Does }) {
  const act = (what: "approve" | "refuse" | "release") => (): void =>
    does(() => once(() => POST(`/api/holds/{number}/${what}`, { params: { path: { number: hold.id } } })));
  const isDecider = roles.value.has("approver");
  const isKept = hold.state === "asked" || hold.state === "active";
  const isSoon = isKept && Date.parse(hold.until) - Date.now() < SOON_DAYS * DAY_MS;
  return (
    <li class={`grant ${hold.state === "active" ? "approved" : hold.state}`}>
      <p>
        <strong>{t("hold.number", { number: hold.id })}</strong> <span class="state">{t(`hold.${hold.state}` as Key)}</span>
        {isKept && <span class={isSoon ? "bad" : ""}> · {t("hold.until", { at: dayTime(hold.until) })}</span>}
      </p>
      <p>
        {hold.name}, {t("case.number", { number: hold.case })}: {hold.cameras.map((id) => titles.get(id) ?? id).join(", ")},{" "}
        {t("view.stretch", { from: dayTime(hold.from), to: dayTime(hold.to) })}
      </p>
      <p class="buttons">
        {hold.state === "asked" && isDecider && !hold.is_own && (
          <>
            <button type="button" class="main" onClick={act("approve")}>{t("hold.approve")}</button>
            <button type="button" onClick={act("refuse")}>{t("grant.refuse")}</button>
          </>
        )}
        {hold.state === "active" && isDecider && <Sure words={t("hold.sure")} label={t("hold.release")} onSure={act("release")} />}
      </p>
    </li>
  );
}
