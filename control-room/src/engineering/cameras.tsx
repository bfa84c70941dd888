// To add a camera, to say what the public is told of it and where it stands, to test it, to remove it.

import { useEffect, useRef, useState } from "preact/hooks";
import { named, once, POST, problemOf, type Camera } from "../api";
import { raw, submits, text } from "../forms";
import { Sure, type Does } from "../parts";
import { t } from "../words";

const number = (form: FormData, name: string): number | null => (text(form, name) ? Number(text(form, name)) : null);

function registerOf(form: FormData) {
  return {
    owner: text(form, "owner"),
    legal_basis: text(form, "legal_basis"),
    keep_days: Number(text(form, "keep_days")),
    description: text(form, "description"),
  };
}

function placeOf(form: FormData) {
  const [latitude, longitude] = [number(form, "latitude"), number(form, "longitude")];
  if (latitude === null || longitude === null) return null;
  return { latitude, longitude, direction_deg: number(form, "direction"), view_deg: number(form, "view") ?? 60, reach_m: number(form, "reach") ?? 40 };
}

function RegisterFields({ camera }: { camera?: Camera }) {
  const known = camera?.register_entry;
  return (
    <>
      <label>{t("camera.owner")} <input name="owner" maxLength={200} required defaultValue={known?.owner ?? ""} /></label>
      <label>{t("camera.legal")} <input name="legal_basis" maxLength={400} required defaultValue={known?.legal_basis ?? ""} /></label>
      <label>{t("camera.days")} <input name="keep_days" type="number" min="0.04" step="any" required defaultValue={String(known?.keep_days ?? 30)} /></label>
      <label class="wide">{t("camera.sees")} <input name="description" maxLength={1000} required defaultValue={known?.description ?? ""} /></label>
    </>
  );
}

function PlaceFields({ camera, isRequired }: { camera?: Camera; isRequired: boolean }) {
  const known = camera?.place;
  const field = (name: string, words: string, value: number | null | undefined, required = false) => (
    <label>{words} <input name={name} type="number" step="any" required={required} defaultValue={value === null || value === undefined ? "" : String(value)} /></label>
  );
  return (
    <>
      {field("latitude", t("camera.latitude"), known?.latitude, isRequired)}
      {field("longitude", t("camera.longitude"), known?.longitude, isRequired)}
      {field("direction", t("camera.direction"), known?.direction_deg)}
      {field("view", t("camera.view"), known?.view_deg ?? 60)}
      {field("reach", t("camera.reach"), known?.reach_m ?? 40)}
    </>
  );
}

export function AddCamera({ does }: { does: Does }) {
  const add = submits(
    does,
    (form) =>
      once(() =>
        POST("/api/cameras", {
          body: {
            id: text(form, "id"),
            url: text(form, "url"),
            sub: text(form, "sub"),
            title: text(form, "title"),
            purpose: text(form, "purpose"),
            username: text(form, "username"),
            password: raw(form, "password"),
            register_entry: registerOf(form),
            place: placeOf(form),
          },
        }),
      ),
  );
  return (
    <details id="add-camera" class="card">
      <summary>{t("camera.add")}</summary>
      <form onSubmit={add} autocomplete="off">
        <label>{t("camera.id")} <input name="id" required maxLength={63} pattern="[a-z0-9\-]+" placeholder="rudaki-07" /></label>
        <label>{t("camera.title")} <input name="title" maxLength={200} /></label>
        <label class="wide">{t("camera.url")} <input name="url" required maxLength={1000} placeholder="rtsp://10.0.0.7/stream1" /></label>
        <label class="wide">{t("camera.sub")} <input name="sub" maxLength={1000} /></label>
        <label>{t("camera.username")} <input name="username" maxLength={200} /></label>
        <label>{t("camera.password")} <input name="password" type="password" autocomplete="new-password" maxLength={200} /></label>
        <label class="wide">{t("camera.purpose")} <input name="purpose" maxLength={200} required /></label>
        <RegisterFields />
        <PlaceFields isRequired={false} />
        <button class="main">{t("camera.doadd")}</button>
      </form>
      <p class="quiet">{t("camera.hint")}</p>
    </details>
  );
}

export function EditCamera({ cameras, does }: { cameras: Camera[]; does: Does }) {
  const [chosen, choose] = useState("");
  const camera = cameras.find((one) => one.id === chosen);
  const path = { camera: chosen };
  return (
    <details id="edit-camera" class="card">
      <summary>{t("camera.edit")}</summary>
      <label>
        {t("heat.camera")}{" "}
        <select id="edited" value={chosen} onChange={(event) => choose(event.currentTarget.value)}>
          <option value="" />
          {cameras.map((one) => <option key={one.id} value={one.id}>{named(one)}</option>)}
        </select>
      </label>
      {camera && (
        <div key={camera.id}>
          <form class="describe" onSubmit={submits(does, (form) => once(() => POST("/api/cameras/{camera}/describe", { params: { path }, body: registerOf(form) })), false)}>
            <RegisterFields camera={camera} />
            <button>{t("camera.describe")}</button>
          </form>
          <form class="place" onSubmit={submits(does, (form) => once(() => POST("/api/cameras/{camera}/place", { params: { path }, body: placeOf(form)! })), false)}>
            <PlaceFields camera={camera} isRequired />
            <button>{t("camera.place")}</button>
          </form>
          <TestStill camera={camera} />
          <Sure label={t("camera.remove")} words={t("camera.sure")} act={t("camera.doremove")} onSure={() => does(async () => {
            await once(() => POST("/api/cameras/{camera}/remove", { params: { path } }));
            choose("");
          })} />
        </div>
      )}
    </details>
  );
}

/** One redacted picture; it stands in the ledger that an engineer looked. */
function TestStill({ camera }: { camera: Camera }) {
  const image = useRef<HTMLImageElement>(null);
  const [said, say] = useState("");
  const ask = async (): Promise<void> => {
    say("");
    const answer = await fetch(`/api/cameras/${camera.id}/test.webp`);
    if (!answer.ok) throw await problemOf(answer);
    if (image.current?.src) URL.revokeObjectURL(image.current.src);
    if (image.current) image.current.src = URL.createObjectURL(await answer.blob());
  };
  useEffect(() => () => { if (image.current?.src) URL.revokeObjectURL(image.current.src); }, []);
  return (
    <p>
      <button type="button" onClick={() => void ask().catch((error: Error) => say(error.message))}>{t("camera.test")}</button>{" "}
      <span class="bad" role="status">{said}</span>
      <img id="test-still" ref={image} alt={camera.title} />
    </p>
  );
}
