// The page that lies in each export: it says what holds of a package, and plays it, without any network.

import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ProofError } from "../ledger/hashing";
import { isSigned } from "../ledger/checkpoint";
import { Language } from "../language";
import { coded, count, language, speak, t } from "../words";
import type { Area, Manifest } from "./manifest";
import { uncoveredPermille } from "./redacted";
import type { Verdict } from "./verdict";
import { verify } from "./verify";
import "./page.css";

interface Looked {
  verdict: Verdict | null;
  why: string;
}

const LATE_MINUTES = 15; // a segment is closed within minutes, and committed to within one more

function Page() {
  const [file, setFile] = useState<File | null>(null);
  const [done, setDone] = useState(0);
  const [looked, setLooked] = useState<Looked | null>(null);
  const [isOther, setOther] = useState(false);
  const look = async (chosen: File): Promise<void> => {
    setFile(chosen);
    setLooked(null);
    setOther(false);
    setDone(0);
    try {
      setLooked({ verdict: await verify(chosen, setDone), why: "" });
    } catch (error) {
      if (!(error instanceof ProofError)) console.error(error);
      setLooked({ verdict: null, why: error instanceof ProofError ? error.message : t("verify.unreadable") });
    }
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    const [dropped] = event.dataTransfer?.files ?? [];
    if (dropped) void look(dropped);
  };
  return (
    <main onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <header>
        <h1>{t("verify.title")}</h1>
        <Language id="language" />
      </header>
      <p>{t("verify.intro")}</p>
      <label class="choose">
        {t("verify.choose")}{" "}
        <input id="package" type="file" accept=".zip" onChange={(event) => {
          const [chosen] = event.currentTarget.files ?? [];
          if (chosen) void look(chosen);
        }} />
      </label>
      {file && !looked && <p role="status"><progress max={file.size} value={done} aria-label={t("verify.looking")} /> {t("verify.looking")}</p>}
      {looked && (
        <section id="verdict" class={looked.verdict && !isOther ? "well" : "bad"} role="alert">
          <h2>{looked.verdict && !isOther ? "✓" : "✗"} {t(!looked.verdict ? "verify.fails" : isOther ? "verify.otherkey" : "verify.holds")}</h2>
          {looked.why && <p>{looked.why}</p>}
        </section>
      )}
      {looked?.verdict && <Holds key={file?.name} verdict={looked.verdict} onKey={setOther} />}
    </main>
  );
}

/** A moment in UTC, as the statement has it. */
function utc(at: string | number): string {
  return `${new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "medium", timeZone: "UTC" }).format(new Date(at))} UTC`;
}

const moment = (ns: bigint): string => utc(Number(ns / 1_000_000n));

function Holds({ verdict, onKey }: { verdict: Verdict; onKey: (isOther: boolean) => void }) {
  const { manifest, checkpoint } = verdict;
  const cameras = manifest.cameras.map((one) => `${one.title} (${one.id})`).join(", ");
  const minutes = Math.max(1, Math.ceil(Number(verdict.lateNs) / 6e10));
  const isLate = minutes > LATE_MINUTES;
  const hours = Math.ceil(minutes / 60);
  return (
    <>
      <dl>
        <dt>{t("verify.number")}</dt><dd>{manifest.number}, {manifest.city}</dd>
        <dt>{t("verify.asked")}</dt><dd>{t("view.stretch", { from: utc(manifest.asked_from), to: utc(manifest.asked_to) })}</dd>
        <dt>{t("verify.by")}</dt><dd>{manifest.operator}, {utc(manifest.exported)}</dd>
        <dt>{t("verify.for")}</dt><dd>{manifest.recipient}, {manifest.case}</dd>
      </dl>
      <ul id="holds">
        <What manifest={manifest} cameras={cameras} />
        {manifest.absent.length > 0 && <li>{t("verify.apart")}</li>}
        {[...verdict.signed].map(([camera, signatures]) => <li key={camera}>{t("verify.signed", { camera, count: signatures })}</li>)}
        <li>{isLate ? t("verify.late", { hours }) : t("verify.intime", { minutes })}</li>
        <li>{t("verify.logged", { entry: count(verdict.entry), at: utc(verdict.logged) })}</li>
        <li>{t("verify.tree", { size: count(checkpoint.size), key: manifest.ledger })}</li>
      </ul>
      {manifest.kind === "redacted" && <Shown areas={manifest.shown} />}
      <Compare verdict={verdict} onKey={onKey} />
      <h2>{t("verify.holes")}</h2>
      {verdict.holes.length ? (
        <ul id="holes">
          {verdict.holes.map((hole, at) => (
            <li key={at}>
              {hole.camera}, {t("view.stretch", { from: moment(hole.start), to: moment(hole.end) })}:{" "}
              {hole.by === "nothing" ? t("verify.nothing") : hole.by === "city" ? t("verify.bycity", { why: hole.why }) : t("verify.byrecording", { why: coded("cause", hole.why) })}
            </li>
          ))}
        </ul>
      ) : (
        <p>{t("verify.nohole")}</p>
      )}
      <h2>{t("verify.unproven")}</h2>
      <ul>
        <li>{t("verify.whose")}</li>
        <li>{t("verify.clocks")}</li>
        <li>{t("verify.false")}</li>
        <li>{t("verify.elsewhere")}</li>
        <li>{t(manifest.kind === "redacted" ? "verify.anew" : "verify.damaged")}</li>
        <li>{t("verify.split", { count: verdict.unchecked })}</li>
      </ul>
      <h2>{t("verify.films")}</h2>
      {verdict.films.map(({ film, video, startNs }) => <Film key={film.name} name={film.name} video={video} startNs={startNs} />)}
    </>
  );
}

/** What the films are. */
function What({ manifest, cameras }: { manifest: Manifest; cameras: string }) {
  const { city } = manifest;
  if (manifest.kind === "redacted") {
    return (
      <>
        <li>{t("verify.redacted", { city, cameras, count: manifest.shown.length, share: count(uncoveredPermille(manifest) / 10) })}</li>
        <li>{t("verify.unchanged")}</li>
        <li>{t("verify.bound", { count: manifest.segments.length })}</li>
      </>
    );
  }
  const pieces = manifest.files.reduce((sum, film) => sum + film.fragments.length, 0);
  return (
    <>
      <li>{t("verify.recorded", { city, cameras })}</li>
      <li>{t("verify.whole", { count: pieces })}</li>
    </>
  );
}

/** Where a redacted film shows who asked for it. */
function Shown({ areas }: { areas: Area[] }) {
  return (
    <>
      <h2>{t("verify.shown")}</h2>
      {areas.length ? (
        <ul id="shown">
          {areas.map((one, at) => (
            <li key={at}>
              {one.camera}, {t("view.stretch", { from: moment(BigInt(one.start_ns)), to: moment(BigInt(one.end_ns)) })}:{" "}
              {t("verify.place", { left: one.left / 10, top: one.top / 10, right: one.right / 10, bottom: one.bottom / 10 })}
            </li>
          ))}
        </ul>
      ) : (
        <p>{t("verify.noplace")}</p>
      )}
    </>
  );
}

/** Whether keys that somebody knows from elsewhere signed the ledger's tree. */
function Compare({ verdict, onKey }: { verdict: Verdict; onKey: (isOther: boolean) => void }) {
  const [said, say] = useState("");
  const compare = async (key: string): Promise<void> => {
    if (!key.trim()) {
      onKey(false);
      return say("");
    }
    const isRight = await isSigned(verdict.checkpoint, key).catch(() => false);
    onKey(!isRight);
    say(t(isRight ? "verify.same" : "verify.other"));
  };
  return (
    <p>
      <label>{t("verify.compare")} <input id="known-key" onChange={(event) => void compare(event.currentTarget.value)} /></label>{" "}
      <strong role="status">{said}</strong>
    </p>
  );
}

function Film({ name, video, startNs }: { name: string; video: Blob; startNs: bigint }) {
  const screen = useRef<HTMLVideoElement>(null);
  const [at, tell] = useState(0);
  useEffect(() => {
    const url = URL.createObjectURL(video);
    if (screen.current) screen.current.src = url;
    return () => URL.revokeObjectURL(url);
  }, [video]);
  return (
    <figure>
      <video ref={screen} controls muted playsInline preload="metadata" aria-label={name} onTimeUpdate={(event) => tell(event.currentTarget.currentTime)} />
      <figcaption>{name} · {moment(startNs + BigInt(Math.round(at * 1e9)))}</figcaption>
    </figure>
  );
}

// Whoever checks many packages calls it from a program.
Object.assign(window, { verify });
speak(language.value);
render(<Page />, document.body);
