// The first start: whoever has the machine names the first two administrators, and hands each a link.

import { useState } from "preact/hooks";
import { once, POST, wordsOf } from "./api";
import { raw } from "./forms";
import { Language } from "./language";
import { CopyLink, Dialog } from "./parts";
import { firstStart } from "./session";
import { t } from "./words";

interface Named {
  name: string;
  link: string;
}

const BOTH = [1, 2] as const;

export function FirstStart() {
  const [secret] = useState(firstStart);
  const [said, say] = useState("");
  const [named, setNamed] = useState<Named[]>([]);
  if (!secret) return null;

  const invite = async (login: string, name: string): Promise<Named> => {
    const { invitation } = await once(() => POST("/api/first-start", { body: { first_start: secret, login, name } }));
    return { name, link: `${location.origin}/#invitation=${invitation}` };
  };
  const onSubmit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const wanted = BOTH.map((one) => ({ login: raw(form, `login-${one}`).trim(), name: raw(form, `name-${one}`).trim() }));
    if (wanted[0]!.login === wanted[1]!.login) return say(t("first.same"));
    say("");
    try {
      const found: Named[] = [];
      for (const { login, name } of wanted) found.push(await invite(login, name));
      setNamed(found);
    } catch (error) {
      say(wordsOf(error));
    }
  };
  const done = (): void => {
    history.replaceState(null, "", location.pathname); // the link is not kept where others find it
    location.reload();
  };
  return (
    <Dialog id="first-start" title={t("first.title")} isOpen>
      <p>{t("first.why")}</p>
      {named.length ? (
        <>
          <ul id="first-links" class="plain">
            {named.map(({ name, link }) => (
              <li key={link}>
                <CopyLink label={t("first.link", { name })} link={link} />
              </li>
            ))}
          </ul>
          <p class="quiet">{t("first.hand")}</p>
          <button id="first-done" type="button" class="main" onClick={done}>{t("first.done")}</button>
        </>
      ) : (
        <form id="first-names" onSubmit={(event) => void onSubmit(event)}>
          {BOTH.map((one) => (
            <fieldset key={one}>
              <legend>{t("first.person", { number: one })}</legend>
              <label>{t("person.name")} <input name={`name-${one}`} maxLength={100} autocomplete="off" required /></label>
              <label>
                {t("person.login")} <input name={`login-${one}`} maxLength={100} autocomplete="off" autocapitalize="none" spellcheck={false} required />
              </label>
            </fieldset>
          ))}
          <button class="main">{t("first.make")}</button>
        </form>
      )}
      <p class="bad" role="alert">{said}</p>
      <Language id="first-language" />
    </Dialog>
  );
}
