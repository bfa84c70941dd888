// Groups of cameras that roles are given for.

import { ask, GET, named, once, POST, type PeopleModel } from "../api";
import { text } from "../forms";
import { useKept, type Does } from "../parts";
import { t } from "../words";

interface GroupsProps {
  known: PeopleModel;
  does: Does;
  isAdministrator: boolean;
}

export function Groups({ known, does, isAdministrator }: GroupsProps) {
  return (
    <section class="card" aria-label={t("group.title")}>
      <h3>{t("group.title")}</h3>
      {!known.groups.length && <p class="quiet">{t("group.none")}</p>}
      <ul class="plain">{known.groups.map((one) => <li key={one.name}>{t("group.one", { name: one.name, count: one.cameras.length })}</li>)}</ul>
      {isAdministrator && <Edit does={does} />}
    </section>
  );
}

function Edit({ does }: { does: Does }) {
  const cameras = useKept(() => ask(() => GET("/api/register")), 60_000);
  const change = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const group = text(form, "name");
    const body = { kind: "group" as const, group, hours: "", cameras: form.getAll("camera").map(String) };
    does(() => once(() => POST("/api/changes", { body })));
  };
  return (
    <form onSubmit={change}>
      <label>{t("group.name")} <input name="name" maxLength={40} required /></label>
      <fieldset>
        <legend>{t("grant.cameras")}</legend>
        <div class="boxes">
          {cameras.data?.cameras.map((one) => (
            <label key={one.id}><input type="checkbox" name="camera" value={one.id} /> {named(one)}</label>
          ))}
        </div>
      </fieldset>
      <button>{t("group.ask")}</button>
    </form>
  );
}
