// People and what they may: one administrator asks, another one does it.

import { useState } from "preact/hooks";
import { ask, GET, once, POST, type Change, type PeopleModel, type Person } from "../api";
import { Sure, Trouble, useDeed, useKept, type Does } from "../parts";
import { raw } from "../forms";
import { me, roles } from "../session";
import { dayOnly, dayTime, t, type Key } from "../words";
import { Groups } from "./groups";
import { Invite } from "./invite";

const EVERY_MS = 5000;
const ROLES = ["operator", "investigator", "approver", "auditor", "engineer", "administrator"] as const;

export function People() {
  const people = useKept(() => ask(() => GET("/api/people")), EVERY_MS);
  const changes = useKept(() => ask(() => GET("/api/changes")), EVERY_MS);
  const { said, does } = useDeed(() => {
    people.again();
    changes.again();
  });
  const isAdministrator = roles.value.has("administrator");
  const known = people.data;
  if (!known) return <Trouble words={people.trouble} />;
  const names = new Map(known.people.map((one) => [one.id, one.name]));
  const waiting = (changes.data ?? []).filter((one) => one.state === "asked");
  return (
    <>
      <h2>{t("page.people")}</h2>
      <Trouble words={people.trouble || changes.trouble || said} />
      {waiting.length > 0 && (
        <section class="card" aria-label={t("change.waiting")}>
          <h3>{t("change.waiting")}</h3>
          <ul class="grants">
            {waiting.map((one) => <Waiting key={one.id} change={one} names={names} known={known} does={does} />)}
          </ul>
        </section>
      )}
      <div class="scroll">
        <table class="stacks">
          <caption class="unseen">{t("page.people")}</caption>
          <thead>
            <tr><th>{t("person.name")}</th><th>{t("person.login")}</th><th>{t("person.state")}</th><th>{t("person.rights")}</th>{isAdministrator && <th>{t("person.do")}</th>}</tr>
          </thead>
          <tbody>
            {known.people.map((one) => <Row key={one.id} person={one} known={known} does={does} isAdministrator={isAdministrator} />)}
          </tbody>
        </table>
      </div>
      {isAdministrator && <Invite does={does} />}
      {isAdministrator && <GiveRole known={known} does={does} />}
      <Groups known={known} does={does} isAdministrator={isAdministrator} />
    </>
  );
}

interface RowProps {
  person: Person;
  known: PeopleModel;
  does: Does;
  isAdministrator: boolean;
}

function Row({ person, does, isAdministrator }: RowProps) {
  const [code, tell] = useState("");
  const path = { person: person.id };
  const change = (body: { kind: "take" | "erase"; right?: number; person?: string }): void =>
    does(() => once(() => POST("/api/changes", { body: { group: "", hours: "", cameras: [], ...body } })));
  const isHere = person.state === "active" || person.state === "invited";
  return (
    <tr>
      <th scope="row">{person.name}</th>
      <td data-label={t("person.login")}>{person.login}</td>
      <td data-label={t("person.state")}>{t(`person.${person.state}` as Key)}<br /><span class="quiet">{t("person.since", { at: dayOnly(person.since) })}</span></td>
      <td data-label={t("person.rights")}>
        <ul class="plain">
          {person.rights.map((right) => (
            <li key={right.id}>
              {t(`role.${right.role}` as Key)}{right.group && `, ${right.group}`}{right.hours && `, ${right.hours}`}{" "}
              {isAdministrator && isHere && (
                <button type="button" class="small" onClick={() => change({ kind: "take", right: right.id })}>{t("right.take")}</button>
              )}
            </li>
          ))}
        </ul>
      </td>
      {isAdministrator && (
        <td data-label={t("person.do")}><div class="buttons">
          {person.state === "invited" && (
            <>
              <button type="button" class="small" onClick={() => does(async () => tell((await once(() => POST("/api/people/{person}/invitation-code", { params: { path } }))).code))}>
                {t("invite.code")}
              </button>
              {code && <output>{t("invite.told", { code })}</output>}
            </>
          )}
          {isHere && person.id !== me.value?.person && (
            <Sure words={t("person.sure", { name: person.name })} label={t("person.leave")} onSure={() => does(() => once(() => POST("/api/people/{person}/leave", { params: { path } })))} />
          )}
          {person.state === "left" && (
            <button type="button" class="small" onClick={() => change({ kind: "erase", person: person.id })}>{t("person.erase")}</button>
          )}
        </div></td>
      )}
    </tr>
  );
}

interface WaitingProps {
  change: Change;
  names: Map<string, string>;
  known: PeopleModel;
  does: Does;
}

function Waiting({ change, names, known, does }: WaitingProps) {
  const path = { number: change.id };
  const right = known.people.flatMap((one) => one.rights.map((found) => ({ ...found, name: one.name }))).find((one) => one.id === change.right);
  const name = (change.person && names.get(change.person)) || right?.name || "";
  const role = change.role ?? right?.role;
  const what = t(`change.${change.kind}` as Key, {
    name,
    role: role ? t(`role.${role}` as Key) : "",
    group: change.group || right?.group || t("change.everything"),
    hours: change.hours || t("change.always"),
    count: change.cameras?.length ?? 0,
  });
  return (
    <li class="grant asked">
      <p>{what}</p>
      <p class="quiet">{t("change.asked", { by: names.get(change.asked_by) ?? "", at: dayTime(change.asked) })}</p>
      {roles.value.has("administrator") && (
        <p class="buttons">
          {change.asked_by !== me.value?.person && (
            <button type="button" class="main" onClick={() => does(() => once(() => POST("/api/changes/{number}/approve", { params: { path } })))}>{t("change.do")}</button>
          )}
          <button type="button" onClick={() => does(() => once(() => POST("/api/changes/{number}/refuse", { params: { path } })))}>
            {change.asked_by === me.value?.person ? t("change.back") : t("grant.refuse")}
          </button>
        </p>
      )}
    </li>
  );
}

function GiveRole({ known, does }: { known: PeopleModel; does: Does }) {
  const here = known.people.filter((one) => one.state === "active");
  const give = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const role = ROLES.find((one) => one === raw(form, "role")) ?? null;
    const body = { kind: "give" as const, person: raw(form, "person"), role, group: raw(form, "group"), hours: raw(form, "hours"), cameras: [] };
    does(() => once(() => POST("/api/changes", { body })));
  };
  return (
    <details id="give-role" class="card">
      <summary>{t("role.give")}</summary>
      <form onSubmit={give}>
        <label>{t("role.who")} <select name="person" required>{here.map((one) => <option key={one.id} value={one.id}>{one.name} ({one.login})</option>)}</select></label>
        <label>{t("role.what")} <select name="role">{ROLES.map((one) => <option key={one} value={one}>{t(`role.${one}`)}</option>)}</select></label>
        <label>
          {t("role.group")}
          <select name="group"><option value="">{t("change.everything")}</option>{known.groups.map((one) => <option key={one.name}>{one.name}</option>)}</select>
        </label>
        <label>{t("role.hours")} <input name="hours" maxLength={200} placeholder="mon-fri 08:00-18:00" /></label>
        <button class="main">{t("role.ask")}</button>
      </form>
      <p class="quiet">{t("role.hint")}</p>
    </details>
  );
}
