// What pages are made of: dialogs, and data that is asked for again and again.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { wordsOf } from "./api";
import { me } from "./session";
import { t } from "./words";

interface DialogProps {
  id: string;
  title: string;
  isOpen: boolean;
  /** Closes it; without it, it stays until what it asks for is done. */
  onClose?: () => void;
  children: ComponentChildren;
}

export function Dialog({ id, title, isOpen, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const wanted = useRef(isOpen);
  wanted.current = isOpen;
  useEffect(() => {
    if (isOpen && !dialog.current?.open) dialog.current?.showModal();
    if (!isOpen && dialog.current?.open) dialog.current.close();
  }, [isOpen]);
  return (
    <dialog
      id={id}
      ref={dialog}
      aria-labelledby={`${id}-title`}
      {...(onClose ? {} : { closedby: "none" })}
      onCancel={(event) => { if (!onClose) event.preventDefault(); }}
      onClose={() => {
        if (onClose) onClose();
        else if (wanted.current) dialog.current?.showModal(); // a browser closes it after all when Escape is pressed twice
      }}
    >
      <header>
        <h2 id={`${id}-title`}>{title}</h2>
        {onClose && <button id={`${id}-close`} type="button" onClick={() => dialog.current?.close()}>{t("close")}</button>}
      </header>
      {isOpen && children}
    </dialog>
  );
}

/** What `work` gives, asked for anew every `everyMs` and whenever somebody else is signed in. */
export function useKept<T>(work: () => Promise<T>, everyMs: number, about: unknown[] = []): Kept<T> {
  const [data, setData] = useState<T | null>(null);
  const [trouble, setTrouble] = useState("");
  const [round, setRound] = useState(0);
  useEffect(() => {
    let isOver = false;
    let timer = 0;
    const go = async (): Promise<void> => {
      try {
        const found = await work();
        if (isOver) return;
        setData(found);
        setTrouble("");
      } catch (error) {
        if (isOver) return;
        setTrouble(wordsOf(error));
      }
      timer = window.setTimeout(() => void go(), everyMs);
    };
    void go();
    return () => {
      isOver = true;
      window.clearTimeout(timer);
    };
  }, [round, me.value?.person, ...about]);
  return { data, trouble, again: () => setRound((one) => one + 1) };
}

export interface Kept<T> {
  data: T | null;
  trouble: string;
  again: () => void;
}

/** Says what went wrong, where something did; it stays in sight. */
export function Trouble({ words }: { words: string }) {
  return words ? <p class="bad trouble" role="alert">{words}</p> : null;
}

/** A link to hand on: it is selected when it has the focus, and copied by its button. */
export function CopyLink({ label, link }: { label: string; link: string }) {
  return (
    <>
      <label>{label} <input readOnly value={link} onFocus={(event) => event.currentTarget.select()} /></label>{" "}
      <button type="button" onClick={() => void navigator.clipboard.writeText(link)}>{t("export.copy")}</button>
    </>
  );
}

interface SureProps {
  label: string;
  words: string;
  /** What the second button says; the same as the first without. */
  act?: string;
  onSure: () => void;
}

/** A button for what cannot be taken back: it asks first. */
export function Sure({ label, words, act = label, onSure }: SureProps) {
  const [isAsked, askFirst] = useState(false);
  if (!isAsked) return <button type="button" onClick={() => askFirst(true)}>{label}</button>;
  return (
    <span class="sure">
      {words}{" "}
      <button type="button" class="alarm" onClick={() => { askFirst(false); onSure(); }}>{act}</button>{" "}
      <button type="button" onClick={() => askFirst(false)}>{t("camera.keep")}</button>
    </span>
  );
}

/** Has something done; what goes wrong is said. */
export type Does = (work: () => Promise<unknown>) => void;

/** Something that a person does: what goes wrong is said beside it. */
export function useDeed(after: () => void): { said: string; does: Does } {
  const [said, say] = useState("");
  const does: Does = (work) => {
    say("");
    work().then(after, (error: unknown) => say(wordsOf(error)));
  };
  return { said, does };
}
