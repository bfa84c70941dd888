// Layouts of the wall: which cameras, in which order, in how many columns. They are kept in this browser.

import { useState } from "preact/hooks";
import type { Camera } from "../api";
import { t } from "../words";

export interface Layout {
  name: string;
  /** 0: as many as there is room for. */
  columns: number;
  /** Their order. */
  cameras: string[];
  /** Only these are shown. */
  isSome?: boolean;
}

const KEPT = "civicam-layouts";
const LAST = "civicam-layout";
const COLUMNS = [1, 2, 3, 4, 5, 6, 8];
const MOST = 64;

function kept(): Layout[] {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? "[]") as Layout[];
  } catch {
    return [];
  }
}

/** The one that was shown last. */
export function lastLayout(): Layout | null {
  const name = localStorage.getItem(LAST);
  return kept().find((one) => one.name === name) ?? null;
}

interface LayoutsProps {
  layout: Layout;
  cameras: Camera[];
  chosen: string[];
  onChange: (layout: Layout) => void;
}

export function Layouts({ layout, cameras, chosen, onChange: show }: LayoutsProps) {
  const onChange = (next: Layout): void => {
    localStorage.setItem(LAST, next.name);
    show(next);
  };
  const [layouts, setLayouts] = useState(kept);
  const [name, setName] = useState("");
  const keep = (all: Layout[]): void => {
    localStorage.setItem(KEPT, JSON.stringify(all));
    setLayouts(all);
  };
  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    const ids = chosen.length ? cameras.filter((camera) => chosen.includes(camera.id)) : cameras;
    const made = { ...layout, name: name.trim(), cameras: ids.slice(0, MOST).map((camera) => camera.id), isSome: true };
    keep([...layouts.filter((one) => one.name !== made.name), made]);
    setName("");
    onChange(made);
  };
  const forget = (): void => {
    keep(layouts.filter((one) => one.name !== layout.name));
    onChange({ name: "", columns: layout.columns, cameras: [] });
  };
  const pick = (wanted: string): void =>
    onChange(layouts.find((one) => one.name === wanted) ?? { name: "", columns: layout.columns, cameras: [] });
  return (
    <details id="layouts">
      <summary>{t("layout.title")}</summary>
      <form onSubmit={save}>
        <label>
          {t("layout.shown")}
          <select id="layout" value={layout.name} onChange={(event) => pick(event.currentTarget.value)}>
            <option value="">{t("layout.all")}</option>
            {layouts.map((one) => <option key={one.name} value={one.name}>{one.name}</option>)}
          </select>
        </label>
        <label>
          {t("layout.columns")}
          <select id="columns" value={layout.columns} onChange={(event) => onChange({ ...layout, columns: Number(event.currentTarget.value) })}>
            <option value={0}>{t("layout.fitting")}</option>
            {COLUMNS.map((one) => <option key={one} value={one}>{one}</option>)}
          </select>
        </label>
        <label>{t("layout.name")} <input id="layout-name" maxLength={40} required value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
        <button>{chosen.length ? t("layout.savechosen") : t("layout.save")}</button>
        {layout.name && <button type="button" onClick={forget}>{t("layout.forget")}</button>}
        <button type="button" onClick={() => void document.documentElement.requestFullscreen()}>{t("layout.full")}</button>
      </form>
      <p class="quiet">{t("layout.hint")}</p>
    </details>
  );
}
