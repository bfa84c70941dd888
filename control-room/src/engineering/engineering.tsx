// For engineers: what was recorded by camera and day, what is missing why, disks, workers, alarms.

import { useState } from "preact/hooks";
import { ask, GET, named, type Camera, type CameraDays, type Machine } from "../api";
import { grade } from "../grade";
import { Trouble, useDeed, useKept } from "../parts";
import { coded, count, dayTime, percent, stateOf, t } from "../words";
import { AddCamera, EditCamera } from "./cameras";

const EVERY_MS = 5000;
const DAYS = [7, 14, 31];
const DAY_S = 86_400;

export function Engineering() {
  const [days, setDays] = useState(DAYS[0]!);
  const machine = useKept(() => ask(() => GET("/api/machine")), EVERY_MS);
  const recorded = useKept(() => ask(() => GET("/api/completeness", { params: { query: { days } } })), 30_000, [days]);
  const cameras = useKept(() => ask(() => GET("/api/cameras")), EVERY_MS);
  const { said, does } = useDeed(() => {
    cameras.again();
    recorded.again();
  });
  const states = new Map(cameras.data?.cameras.map((camera) => [camera.id, camera]));
  return (
    <>
      <h2>{t("page.engineering")}</h2>
      <Trouble words={machine.trouble || recorded.trouble || cameras.trouble} />
      {machine.data && <TheMachine machine={machine.data} />}
      <section class="card" aria-label={t("heat.title")}>
        <h3>{t("heat.title")}</h3>
        <label>
          {t("heat.days")}{" "}
          <select id="days" value={days} onChange={(event) => setDays(Number(event.currentTarget.value))}>
            {DAYS.map((one) => <option key={one} value={one}>{one}</option>)}
          </select>
        </label>
        {recorded.data ? <Heat cameras={recorded.data} states={states} /> : <p role="status">{t("loading")}</p>}
      </section>
      {recorded.data && <Causes cameras={recorded.data} />}
      <Trouble words={said} />
      <AddCamera does={does} />
      <EditCamera cameras={cameras.data?.cameras ?? []} does={does} />
    </>
  );
}

function gigabytes(bytes: number): string {
  return t("machine.gb", { gb: count(Math.round(bytes / 1e8) / 10) });
}

function TheMachine({ machine }: { machine: Machine }) {
  return (
    <>
      <section class="card" aria-label={t("machine.alarms")}>
        <h3>{t("machine.alarms")}</h3>
        {machine.alarms.length ? (
          <ul id="alarms">{machine.alarms.map((one) => <li key={one} class="bad">{one}</li>)}</ul>
        ) : (
          <p class="well">{t("machine.well")}</p>
        )}
      </section>
      <section class="card" aria-label={t("machine.disks")}>
        <h3>{t("machine.disks")}</h3>
        <div class="scroll">
          <table id="volumes" class="stacks">
            <caption class="unseen">{t("machine.disks")}</caption>
            <thead><tr><th>{t("machine.volume")}</th><th>{t("machine.level")}</th><th>{t("machine.footage")}</th><th>{t("machine.free")}</th><th>{t("machine.full")}</th></tr></thead>
            <tbody>
              {machine.volumes.map((one) => (
                <tr key={one.name}>
                  <th scope="row">{one.name}</th>
                  <td data-label={t("machine.level")} class={one.level === "ok" ? "well" : "bad"}>{coded("level", one.level)}</td>
                  <td data-label={t("machine.footage")}>{gigabytes(one.footage_bytes)}{one.limit_bytes ? ` / ${gigabytes(one.limit_bytes)}` : ""}</td>
                  <td data-label={t("machine.free")}>{gigabytes(one.free_bytes)} / {gigabytes(one.total_bytes)}</td>
                  <td data-label={t("machine.full")}>{fullIn(one, machine)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
      <section class="card" aria-label={t("machine.workers")}>
        <h3>{t("machine.workers")}</h3>
        <p class="quiet">{t("machine.since", { at: dayTime(machine.since), rate: count(Math.round(machine.bits_per_s / 1e5) / 10) })}</p>
        <ul class="plain">
          {machine.workers.map((one) => (
            <li key={one.number} class={one.is_up ? "" : "bad"}>
              {t(one.is_up ? "machine.up" : "machine.down", { number: one.number, streams: one.streams, restarts: one.restarts })}
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

/** When the disk or its limit is full at today's rate; retention deletes before that what is old enough. */
function fullIn(volume: Machine["volumes"][number], machine: Machine): string {
  const left = Math.min(volume.free_bytes, volume.limit_bytes ? volume.limit_bytes - volume.footage_bytes : Infinity);
  const perDay = ((machine.bits_per_s / 8) * DAY_S) / Math.max(1, machine.volumes.length);
  if (!perDay) return "";
  const days = Math.max(0, left / perDay);
  return days < 2 ? t("machine.hours", { hours: Math.floor(days * 24) }) : t("machine.days", { days: Math.floor(days) });
}

type States = Map<string, Camera>;

function Heat({ cameras, states }: { cameras: CameraDays[]; states: States }) {
  return (
    <div class="scroll">
      <table id="heat" class="heat">
        <caption class="unseen">{t("heat.title")}</caption>
        <thead>
          <tr><th>{t("heat.camera")}</th>{cameras[0]?.days.map((one) => <th key={one.day} scope="col">{one.day.slice(5)}</th>)}<th>{t("heat.now")}</th></tr>
        </thead>
        <tbody>
          {cameras.map((camera) => (
            <tr key={camera.camera}>
              <th scope="row">{named({ id: camera.camera, title: camera.title })}</th>
              {camera.days.map((one) => (
                <td key={one.day} class={`heat-${one.due_s ? grade(one.share) : "none"}`} title={missing(one)}>
                  {one.due_s ? percent(one.share, one.share > 0.999 ? 2 : 1) : "–"}
                </td>
              ))}
              <td class={states.get(camera.camera)?.is_bad ? "bad" : "quiet"}>{stateOf(states.get(camera.camera)?.conditions ?? [])}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function missing(day: CameraDays["days"][number]): string {
  return Object.entries(day.missing_s).map(([cause, seconds]) => t("heat.missing", { cause: coded("cause", cause), seconds: count(Math.round(seconds)) })).join(", ");
}

function Causes({ cameras }: { cameras: CameraDays[] }) {
  const causes = new Map<string, number>();
  for (const { days } of cameras)
    for (const { missing_s } of days)
      for (const [cause, seconds] of Object.entries(missing_s)) causes.set(cause, (causes.get(cause) ?? 0) + seconds);
  const sorted = [...causes].sort(([, one], [, other]) => other - one);
  return (
    <section class="card" aria-label={t("causes.title")}>
      <h3>{t("causes.title")}</h3>
      {sorted.length ? (
        <ul id="causes" class="plain">{sorted.map(([cause, seconds]) => <li key={cause}>{t("heat.missing", { cause: coded("cause", cause), seconds: count(Math.round(seconds)) })}</li>)}</ul>
      ) : (
        <p class="well">{t("causes.none")}</p>
      )}
    </section>
  );
}
