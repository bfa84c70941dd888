// Cases, and grants to see clear video for them: asked by one, decided by another, seen, ended.

import { useState } from "preact/hooks";
import { ask, GET, named, once, POST, type CasesModel, type Grant } from "../api";
import { Sure, Trouble, useDeed, useKept, type Does } from "../parts";
import { me, roles } from "../session";
import { coded, count, dayTime, t, type Key } from "../words";
import { AskForGrant, BreakGlass, OpenCase } from "./asking";
import { newest } from "./fields";
import { Exports, OrderExport } from "./exports";
import { Holds } from "./holds";
import { Requests } from "./requests";
import { ClearView } from "./clear_view";

const EVERY_MS = 3000;

export function Cases() {
  const kept = useKept(() => ask(() => GET("/api/cases")), EVERY_MS);
  const isViewer = roles.value.has("operator") || roles.value.has("investigator");
  const hears = (["investigator", "approver", "auditor"] as const).some((role) => roles.value.has(role));
  const cameras = useKept(
    async () => (isViewer ? (await ask(() => GET("/api/cameras"))).cameras : []),
    60_000,
  );
  const [seen, see] = useState<Grant | null>(null);
  const { said, does } = useDeed(kept.again);
  const known = kept.data;
  const register = useKept(() => ask(() => GET("/api/register")), 60_000);
  const titles = new Map(register.data?.cameras.map((camera) => [camera.id, named(camera)]));
  return (
    <>
      <h2>{t("page.cases")}</h2>
      <Trouble words={kept.trouble || said} />
      {known && <Listed known={known} titles={titles} does={does} onSee={see} />}
      {known && roles.value.has("investigator") && (
        <>
          <OpenCase purposes={known.purposes} does={does} />
          <AskForGrant cases={known.cases} cameras={cameras.data ?? []} does={does} />
        </>
      )}
      {known && <Holds cases={known.cases} cameras={cameras.data ?? []} titles={titles} />}
      {known && hears && <Requests cameras={cameras.data ?? []} titles={titles} />}
      <Exports titles={titles} />
      {isViewer && <BreakGlass cameras={cameras.data ?? []} does={does} />}
      <ClearView grant={seen && (known?.grants.find((one) => one.id === seen.id) ?? seen)} titles={titles} isSure={!kept.trouble} onClose={() => see(null)} />
    </>
  );
}

interface ListedProps {
  known: CasesModel;
  titles: Map<string, string>;
  does: Does;
  onSee: (grant: Grant) => void;
}

function Listed({ known, titles, does, onSee }: ListedProps) {
  const glass = known.grants.filter((grant) => grant.is_break_glass);
  const close = (number: string): void => does(() => once(() => POST("/api/cases/close", { body: { number } })));
  return (
    <>
      {!known.cases.length && <p class="quiet">{t("case.none")}</p>}
      {newest(known.cases).map((one) => (
        <section key={one.number} class="card" aria-label={t("case.number", { number: one.number })}>
          <h3>{t("case.number", { number: one.number })}</h3>
          <p class="quiet">
            {coded("purpose", one.purpose)} · {one.legal_reference} · {t("case.opened", { at: dayTime(one.opened), by: one.opened_by })}
            {one.closed ? ` · ${t("case.closed", { at: dayTime(one.closed) })}` : ""}
          </p>
          <Grants grants={known.grants.filter((grant) => grant.case === one.number)} purpose={one.purpose} titles={titles} does={does} onSee={onSee} />
          {!one.closed && roles.value.has("investigator") && (
            <Sure words={t("case.sure")} label={t("case.close")} onSure={() => close(one.number)} />
          )}
        </section>
      ))}
      {glass.length > 0 && (
        <section class="card glass" aria-label={t("glass.title")}>
          <h3>{t("glass.title")}</h3>
          <Grants grants={glass} purpose="" titles={titles} does={does} onSee={onSee} />
        </section>
      )}
    </>
  );
}

interface GrantsProps extends Omit<ListedProps, "known"> {
  /** What their case is for. */
  purpose: string;
}

function Grants({ grants, ...rest }: GrantsProps & { grants: Grant[] }) {
  if (!grants.length) return <p class="quiet">{t("grant.none")}</p>;
  return <ul class="grants">{grants.map((grant) => <GrantRow key={grant.id} grant={grant} {...rest} />)}</ul>;
}

function GrantRow({ grant, purpose, titles, does, onSee }: GrantsProps & { grant: Grant }) {
  const act = (what: "approve" | "refuse" | "revoke") => (): void =>
    does(() => once(() => POST(`/api/grants/{number}/${what}`, { params: { path: { number: grant.id } } })));
  const isDecider = roles.value.has("approver");
  const holds = grant.state === "approved";
  return (
    <li class={`grant ${grant.state}`}>
      <p>
        <strong>{t("grant.number", { number: grant.id })}</strong>{" "}
        <span class="state">{grant.is_break_glass && holds ? t("glass.taken") : t(`grant.${grant.state}` as Key)}</span>
        {grant.until
          ? ` · ${t("grant.until", { at: dayTime(grant.until) })}`
          : grant.state === "asked" && ` · ${t("grant.lasts", { hours: count(Math.round(grant.hours * 100) / 100) })}`}
      </p>
      <p>
        {grant.name}: {grant.cameras.map((id) => titles.get(id) ?? id).join(", ")},{" "}
        {t("view.stretch", { from: dayTime(grant.from), to: dayTime(grant.to) })}
      </p>
      {grant.reason && <p class="quiet">{t("grant.reason", { reason: grant.reason })}</p>}
      <p class="buttons">
        {grant.state === "asked" && isDecider && grant.person !== me.value?.person && (
          <>
            <button type="button" class="main" onClick={act("approve")}>{t("grant.approve")}</button>
            <button type="button" onClick={act("refuse")}>{t("grant.refuse")}</button>
          </>
        )}
        {holds && grant.is_own && <button type="button" class="main" onClick={() => onSee(grant)}>{t("grant.watch")}</button>}
        {holds && (grant.is_own || isDecider) && <button type="button" onClick={act("revoke")}>{t("grant.revoke")}</button>}
      </p>
      {holds && grant.is_own && !grant.is_break_glass && <OrderExport grant={grant} purpose={purpose} titles={titles} />}
    </li>
  );
}
