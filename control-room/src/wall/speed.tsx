// How fast a recording is played.

import { t } from "../words";

const SPEEDS: [number, string][] = [[0.25, "¼×"], [0.5, "½×"], [1, "1×"], [2, "2×"], [4, "4×"], [8, "8×"], [16, "16×"]];

export function Speed({ id, value, onChange }: { id: string; value: number; onChange: (speed: number) => void }) {
  return (
    <label>
      {t("view.speed")}
      <select id={id} value={value} onChange={(event) => onChange(Number(event.currentTarget.value))}>
        {SPEEDS.map(([speed, words]) => <option key={speed} value={speed}>{words}</option>)}
      </select>
    </label>
  );
}
