// Which language the page speaks.

import { type Language as Code, LANGUAGES, language, speak, t } from "./words";

export function Language({ id }: { id: string }) {
  return (
    <label class="language">
      <span class="unseen">{t("language")}</span>
      <select id={id} value={language.value} onChange={(event) => speak(event.currentTarget.value as Code)}>
        {Object.entries(LANGUAGES).map(([code, words]) => <option key={code} value={code} lang={code}>{words}</option>)}
      </select>
    </label>
  );
}
