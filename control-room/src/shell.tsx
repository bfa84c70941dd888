// What is around every page: where one is, who one is, and the pages that one may use.

import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { GET, once, POST, Refused } from "./api";
import { Cases } from "./cases/cases";
import { city, isLocal, me, roles, signIn, signOut } from "./session";
import { goToProvider, hasPasskeys, SignIn } from "./sign_in";
import { Language } from "./language";
import { Wall } from "./wall/wall";
import { FirstStart } from "./first_start";
import { Welcome } from "./welcome";
import { type Key, t } from "./words";

interface Page {
  title: Key;
  /** Roles that it is for. */
  roles: string[];
  load: () => Promise<ComponentType>;
}

const VIEWERS = ["operator", "investigator"];
const PAGES: Record<string, Page> = {
  engineering: { title: "page.engineering", roles: ["engineer"], load: async () => (await import("./engineering/engineering")).Engineering },
  wall: { title: "page.wall", roles: [...VIEWERS, "local"], load: async () => Wall },
  playback: { title: "page.playback", roles: [...VIEWERS, "local"], load: async () => (await import("./playback/playback")).PlaybackPage },
  map: { title: "page.map", roles: [...VIEWERS, "engineer", "local"], load: async () => (await import("./map/map")).CityMap },
  cases: { title: "page.cases", roles: [...VIEWERS, "approver", "auditor"], load: async () => Cases },
  oversight: { title: "page.oversight", roles: ["auditor"], load: async () => (await import("./oversight/oversight")).Oversight },
  people: { title: "page.people", roles: ["administrator", "auditor"], load: async () => (await import("./people/people")).People },
};

const SESSION_MS = 5000;
const place = signal(location.hash.slice(2).split("?")[0] ?? "");
window.addEventListener("hashchange", () => { place.value = location.hash.slice(2).split("?")[0] ?? ""; });

function mine(): string[] {
  return Object.keys(PAGES).filter((name) => PAGES[name]?.roles.some((role) => (isLocal.value ? role === "local" : roles.value.has(role as never))));
}

export function Shell() {
  const pages = mine();
  const name = pages.includes(place.value) ? place.value : pages[0];
  useEffect(() => { document.title = `${city.value} - civicam`; }, [city.value]);
  useEffect(() => {
    if (!me.value) return undefined;
    // Whose rights change is signed out at once: that is said, and not found out at the next click.
    const timer = window.setInterval(() => void once(() => GET("/api/session")).catch((error: unknown) => {
      if (error instanceof Refused && error.status === 401) void signIn();
    }), SESSION_MS);
    return () => window.clearInterval(timer);
  }, [me.value]);
  useEffect(() => {
    if (!me.value && !isLocal.value) void signIn();
  }, [me.value]);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.querySelector<HTMLElement>("#main")?.focus(); }}>{t("skip")}</a>
      <header id="top">
        <h1 id="city">{city.value}</h1>
        <nav aria-label={t("pages")}>
          <ul>
            {pages.map((one) => (
              <li key={one}>
                <a href={`#/${one}`} {...(one === name ? { "aria-current": "page" as const } : {})}>{t(PAGES[one]!.title)}</a>
              </li>
            ))}
          </ul>
        </nav>
        <Who />
        <Language id="language" />
      </header>
      <main id="main" tabIndex={-1}>
        {name ? <Loaded key={name} name={name} /> : me.value ? <p>{t("norole")}</p> : null}
      </main>
      <SignIn />
      <Welcome />
      <FirstStart />
    </>
  );
}

function Loaded({ name }: { name: string }) {
  const [Shown, setShown] = useState<ComponentType | null>(null);
  const [trouble, setTrouble] = useState("");
  useEffect(() => {
    PAGES[name]?.load().then((found) => setShown(() => found), (error: Error) => setTrouble(error.message));
  }, [name]);
  return Shown ? <Shown /> : <p role="status">{trouble || t("loading")}</p>;
}

function Who() {
  const [said, say] = useState("");
  if (!me.value) return null;
  const named = [...roles.value].map((role) => t(`role.${role}` as Key)).join(", ");
  const addPasskey = async (): Promise<void> => {
    const { challenge, options } = await once(() => POST("/api/account/passkeys/offer"));
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as unknown as PublicKeyCredentialCreationOptionsJSON);
    const credential = (await navigator.credentials.create({ publicKey })) as PublicKeyCredential;
    const answer = credential.toJSON() as Record<string, unknown>;
    await once(() => POST("/api/account/passkeys", { body: { challenge, answer } }));
    say(t("who.passkeyed"));
  };
  const tries = (work: () => Promise<void>): void => {
    say("");
    work().catch((error: Error) => say(error.message));
  };
  return (
    <details id="who">
      <summary id="who-name">{`${me.value.name} (${named || t("who.norole")})`}</summary>
      <div class="menu">
        <button id="sign-out" type="button" onClick={() => void signOut()}>{t("who.out")}</button>
        {hasPasskeys() && <button id="add-passkey" type="button" onClick={() => tries(addPasskey)}>{t("who.addpasskey")}</button>}
        <button id="link-provider" type="button" onClick={() => tries(() => goToProvider("/api/account/provider/begin"))}>{t("who.link")}</button>
        <span id="who-said" role="status">{said}</span>
      </div>
    </details>
  );
}
