// To invite somebody: a link for them here, and a code that another administrator tells them.

import { useState } from "preact/hooks";
import { once, POST } from "../api";
import { t } from "../words";
import { raw } from "../forms";
import type { Does } from "../parts";

export function Invite({ does }: { does: Does }) {
  const [link, setLink] = useState("");
  const invite = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const fields = new FormData(form);
    const body = { login: raw(fields, "login"), name: raw(fields, "name") };
    setLink("");
    does(async () => {
      const { invitation } = await once(() => POST("/api/people", { body }));
      setLink(`${location.origin}/#invitation=${invitation}`);
      form.reset();
    });
  };
  return (
    <details id="invite" class="card">
      <summary>{t("invite.title")}</summary>
      <form onSubmit={invite}>
        <label>{t("person.name")} <input name="name" maxLength={120} required /></label>
        <label>{t("person.login")} <input name="login" maxLength={80} autocapitalize="none" spellcheck={false} required /></label>
        <button class="main">{t("invite.do")}</button>
      </form>
      {link && <p role="status">{t("invite.link")} <code id="invitation-link">{link}</code> <button type="button" class="small" onClick={() => void navigator.clipboard.writeText(link)}>{t("export.copy")}</button></p>}
      <p class="quiet">{t("invite.hint")}</p>
    </details>
  );
}
