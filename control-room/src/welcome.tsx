// Somebody who was invited chooses how they sign in.

import { useEffect, useRef, useState } from "preact/hooks";
import { once, POST, wordsOf } from "./api";
import { raw } from "./forms";
import { Dialog } from "./parts";
import { entered, invitation } from "./session";
import { t } from "./words";

interface Found {
  login: string;
  name: string;
  secret: string;
  picture: string;
}

export function Welcome() {
  const [said, say] = useState("");
  const [invited] = useState(invitation);
  const [told, setTold] = useState("");
  const [isCodeAsked, askCode] = useState(false);
  const [found, setFound] = useState<Found | null>(null);
  const [codes, setCodes] = useState<string[]>([]);
  const [isDone, setDone] = useState(false);

  const open = async (code: string): Promise<void> => {
    say("");
    try {
      setFound(await once(() => POST("/api/invitation", { body: { invitation: invited ?? "", invitation_code: code } })));
    } catch (error) {
      const words = wordsOf(error);
      const isFirst = /code is needed/.test(words);
      if (isFirst || /code is wrong/.test(words)) askCode(true);
      if (!isFirst) say(words);
    }
  };
  useEffect(() => {
    if (invited) void open("");
  }, []);
  if (!invited || isDone) return null;

  const come = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    if (raw(form, "password") !== raw(form, "again")) return say(t("welcome.differ"));
    say("");
    const body = { invitation: invited, invitation_code: told, password: raw(form, "password"), code: raw(form, "code") };
    try {
      setCodes((await once(() => POST("/api/invitation/accept", { body }))).codes);
      history.replaceState(null, "", location.pathname);
    } catch (error) {
      say(wordsOf(error));
    }
  };
  const done = async (): Promise<void> => {
    setDone(true);
    await entered();
  };
  return (
    <Dialog id="welcome" title={t("welcome.title")} isOpen>
      {!found && isCodeAsked && (
        <form id="open-invitation" onSubmit={(event) => { event.preventDefault(); void open(told); }}>
          <p>{t("welcome.ask")}</p>
          <label>
            {t("welcome.told")}
            <input id="told-code" autocomplete="off" required value={told} onInput={(event) => setTold(event.currentTarget.value)} />
          </label>
          <button class="main">{t("welcome.open")}</button>
        </form>
      )}
      {found && !codes.length && (
        <>
          <p id="welcome-name">{t("welcome.name", { name: found.name, login: found.login })}</p>
          <form id="come" onSubmit={(event) => void come(event)}>
            <p>{t("welcome.scan")} <code id="welcome-secret">{found.secret.match(/.{1,4}/g)?.join(" ")}</code></p>
            <Picture svg={found.picture} />
            <label>{t("welcome.newest")} <input id="new-code" name="code" inputMode="numeric" autocomplete="one-time-code" required /></label>
            <label>
              {t("welcome.password")}
              <input id="new-password" name="password" type="password" autocomplete="new-password" minLength={12} maxLength={128} aria-describedby="password-hint" required />
            </label>
            <label>{t("welcome.again")} <input id="again-password" name="again" type="password" autocomplete="new-password" required /></label>
            <p id="password-hint" class="quiet">{t("welcome.hint")}</p>
            <button class="main">{t("welcome.come")}</button>
          </form>
        </>
      )}
      {codes.length > 0 && (
        <div id="recovery">
          <p>{t("welcome.recovery")}</p>
          <ul id="recovery-codes">{codes.map((code) => <li key={code}>{code}</li>)}</ul>
          <button id="recovery-done" type="button" class="main" onClick={() => void done()}>{t("welcome.written")}</button>
        </div>
      )}
      <p id="welcome-said" class="bad" role="alert">{said}</p>
    </Dialog>
  );
}

function Picture({ svg }: { svg: string }) {
  const image = useRef<HTMLImageElement>(null);
  useEffect(() => {
    const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
    if (image.current) image.current.src = url;
    return () => URL.revokeObjectURL(url);
  }, [svg]);
  return <img id="welcome-picture" ref={image} alt={t("welcome.qr")} />;
}
