// To sign in: password and code, a passkey, or the city's own provider.

import { useRef, useState } from "preact/hooks";
import { once, POST, wordsOf } from "./api";
import { raw } from "./forms";
import { Language } from "./language";
import { Dialog } from "./parts";
import { entered, isAsked, wasIn, ways } from "./session";
import { t } from "./words";

export const hasPasskeys = (): boolean =>
  "PublicKeyCredential" in window &&
  "parseRequestOptionsFromJSON" in PublicKeyCredential &&
  !/^[\d.]+$|^\[/.test(location.hostname);

export async function goToProvider(path: "/api/provider/begin" | "/api/account/provider/begin"): Promise<void> {
  location.assign(((await once(() => POST(path))) as { address: string }).address);
}

async function usePasskey(): Promise<void> {
  const { challenge, options } = await once(() => POST("/api/passkey/offer"));
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as unknown as PublicKeyCredentialRequestOptionsJSON);
  const credential = (await navigator.credentials.get({ publicKey })) as PublicKeyCredential;
  const answer = credential.toJSON() as Record<string, unknown>;
  await once(() => POST("/api/passkey", { body: { challenge, answer } }));
}

export function SignIn() {
  const [said, say] = useState("");
  const form = useRef<HTMLFormElement>(null);

  const tries = async (work: () => Promise<unknown>): Promise<void> => {
    say("");
    try {
      await work();
      form.current?.reset();
      await entered();
    } catch (error) {
      const words = wordsOf(error);
      say(words);
      form.current?.querySelector<HTMLInputElement>(/code is needed/.test(words) ? "#code" : "#password")?.select();
    }
  };
  const onSubmit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const body = { login: raw(form, "login"), password: raw(form, "password"), code: raw(form, "code") };
    void tries(() => once(() => POST("/api/session", { body })));
  };
  return (
    <Dialog id="sign-in" title={t("signin.title")} isOpen={isAsked.value}>
      {wasIn.value && <p role="status">{t("signin.again")}</p>}
      {!ways.value.is_founded && (
        <div id="not-founded" class="card">
          <p>{t("first.hint")}</p>
        </div>
      )}
      <form id="sign-in-form" ref={form} onSubmit={onSubmit}>
        <label>
          {t("signin.login")}
          <input id="login" name="login" autocomplete="username" autocapitalize="none" spellcheck={false} required />
        </label>
        <label>
          {t("signin.password")}
          <input id="password" name="password" type="password" autocomplete="current-password" required />
        </label>
        <label>
          {t("signin.code")}
          <input id="code" name="code" autocomplete="one-time-code" autocapitalize="none" spellcheck={false} aria-describedby="code-hint" />
        </label>
        <p id="code-hint" class="quiet">{t("signin.hint")}</p>
        <button id="enter" class="main">{t("signin.enter")}</button>
        {hasPasskeys() && (
          <button id="use-passkey" type="button" onClick={() => void tries(usePasskey)}>{t("signin.passkey")}</button>
        )}
        {ways.value.elsewhere && (
          <button id="use-provider" type="button" onClick={() => void goToProvider("/api/provider/begin").catch((error: Error) => say(error.message))}>
            {t("signin.provider")}
          </button>
        )}
      </form>
      <p id="sign-in-said" class="bad" role="alert">{said}</p>
      <Language id="sign-in-language" />
      <p class="quiet"><a href="/public">{t("signin.public")}</a></p>
    </Dialog>
  );
}
