import { useSyncExternalStore } from "react";

/** Whether the assistant stands open; kept for a reload, in this tab. */

const KEY = "tower.assistant";
/** The element that holds it, wherever there is room. */
export const ASSISTANT_ID = "assistant";

interface Opened {
  isOpen: boolean;
  /** How often somebody asked for it: each time the focus goes to its field. */
  asked: number;
}

const listeners = new Set<() => void>();
let opened: Opened = { isOpen: storedIsOpen(), asked: 0 };

function storedIsOpen(): boolean {
  try {
    return sessionStorage.getItem(KEY) !== null;
  } catch {
    // Storage is blocked, or this is no browser.
    return false;
  }
}

export function setAssistantOpen(isOpen: boolean): void {
  opened = { isOpen, asked: opened.asked + (isOpen ? 1 : 0) };
  try {
    if (isOpen) sessionStorage.setItem(KEY, "open");
    else sessionStorage.removeItem(KEY);
  } catch {
    // Storage is blocked: it holds for this page.
  }
  for (const each of listeners) each();
}

/** Open it or go to it; from within, close it. */
export function toggleAssistant(): void {
  const isWithin = document.getElementById(ASSISTANT_ID)?.contains(document.activeElement) ?? false;
  setAssistantOpen(!(opened.isOpen && isWithin));
}

export function useAssistantOpened(): Opened {
  return useSyncExternalStore(subscribe, () => opened);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
