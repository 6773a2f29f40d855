import { useSyncExternalStore } from "react";
import { ApiError } from "@/api/problem";
import { textsOf } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { messages } from "./messages";

export interface Toast {
  id: number;
  tone: "ok" | "bad";
  title: string;
  detail: string;
  /** The same in the server's own sentences, where it is what the server said. */
  said?: readonly string[];
  /** A button, such as for undoing what was done. */
  action?: ToastAction;
}

export interface ToastAction {
  label: string;
  run: () => void;
}

const SHOWN_MAX = 4;
const OK_MS = 5_000;
/** Long enough to read it, find that it was wrong and reach the button. */
const ACTION_MS = 12_000;

let toasts: readonly Toast[] = [];
let lastId = 0;
/** Of those that go by themselves, after how long. */
const lives = new Map<number, number>();
const timers = new Map<number, ReturnType<typeof setTimeout>>();
let isHeld = false;
const listeners = new Set<() => void>();

function publish(next: readonly Toast[]): void {
  toasts = next;
  for (const each of listeners) each();
}

function show(toast: Omit<Toast, "id">): number {
  lastId += 1;
  publish([...toasts, { ...toast, id: lastId }]);
  for (const each of toasts.slice(0, -SHOWN_MAX)) dismiss(each.id);
  return lastId;
}

export function dismiss(id: number): void {
  clearTimeout(timers.get(id));
  timers.delete(id);
  lives.delete(id);
  publish(toasts.filter((each) => each.id !== id));
}

/** Let a notice go by itself after a while, unless somebody is at the notices. */
function expire(id: number, afterMs: number): void {
  lives.set(id, afterMs);
  if (!isHeld)
    timers.set(
      id,
      setTimeout(() => dismiss(id), afterMs),
    );
}

/** While somebody points at the notices, or has the focus there, none goes by itself (WCAG 2.2, 2.2.1). */
export function hold(): void {
  isHeld = true;
  for (const timer of timers.values()) clearTimeout(timer);
  timers.clear();
}

/** Nobody is there any more: what goes by itself has its whole time again. */
export function release(): void {
  if (!isHeld) return;
  isHeld = false;
  for (const [id, afterMs] of [...lives]) expire(id, afterMs);
}

/** Say that something worked, and perhaps offer to undo it. It goes by itself. */
export function showDone(title: string, detail = "", action?: ToastAction): void {
  const id = show({ tone: "ok", title, detail, ...(action === undefined ? {} : { action }) });
  expire(id, action === undefined ? OK_MS : ACTION_MS);
}

/** Say that something happened that wants to be looked at. It goes by itself. */
export function showNotice(title: string, detail: string, action: ToastAction): void {
  const id = show({ tone: "bad", title, detail, action });
  expire(id, ACTION_MS);
}

/** Say that a change failed, and what to do next. It stays until it is dismissed. */
export function showError(error: unknown): void {
  if (error instanceof ApiError) {
    const said = [error.problem.detail, ...error.hints].filter(Boolean);
    const detail = said.map(serverWords).join(" ");
    show({ tone: "bad", title: serverWords(error.problem.title), detail, said });
    return;
  }
  show({
    tone: "bad",
    title: textsOf(messages).failed,
    detail: error instanceof Error ? error.message : String(error),
  });
}

export function useToasts(): readonly Toast[] {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, shownToasts);
}

/** What is shown now, the newest last. */
export function shownToasts(): readonly Toast[] {
  return toasts;
}
