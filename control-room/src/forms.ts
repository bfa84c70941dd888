// What people typed into a form, and what is done with it when they send it.

import type { Does } from "./parts";
import { t } from "./words";

/** As it was typed: passwords may begin with a space. */
export const raw = (form: FormData, name: string): string => String(form.get(name) ?? "");
export const text = (form: FormData, name: string): string => raw(form, name).trim();

/** Sends a form; it is empty again once that was done. */
export function submits(does: Does, work: (form: FormData) => Promise<unknown>, isReset = true): (event: SubmitEvent) => void {
  return (event) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    does(async () => {
      await work(new FormData(form));
      if (isReset) form.reset();
      const said = form.querySelector<HTMLElement>("[data-sent]");
      if (said) said.textContent = t("sent");
    });
  };
}
