// Parts of the forms about cases: which cameras, when, and for which case.

import { useState } from "preact/hooks";
import { isFound, named, type Camera, type CasesModel } from "../api";
import { text } from "../forms";
import { t } from "../words";

/** A moment that somebody typed, RFC 3339. */
export const moment = (form: FormData, name: string): string => new Date(text(form, name)).toISOString();

/** The newest first. */
export const newest = (cases: CasesModel["cases"]): CasesModel["cases"] => [...cases].sort((one, other) => (one.opened < other.opened ? 1 : -1));

export const byTitle = (one: Camera, other: Camera): number => one.title.localeCompare(other.title);

export function Cameras({ cameras }: { cameras: Camera[] }) {
  const [wanted, want] = useState("");
  const shown = [...cameras].sort(byTitle);
  return (
    <fieldset>
      <legend>{t("grant.cameras")}</legend>
      <label>{t("grant.find")} <input type="search" value={wanted} onInput={(event) => want(event.currentTarget.value)} /></label>
      <div class="boxes">
        {shown.map((camera) => (
          <label key={camera.id} hidden={!isFound(camera, wanted)}>
            <input type="checkbox" name="camera" value={camera.id} /> {named(camera)}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** Which cameras are ticked; there is one at least. */
export function ticked(form: FormData): string[] {
  const cameras = form.getAll("camera").map(String);
  if (!cameras.length) throw new Error(t("grant.nocamera"));
  return cameras;
}
