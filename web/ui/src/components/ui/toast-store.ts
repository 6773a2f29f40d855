import { useSyncExternalStore } from "react";
import { ApiError } from "@/api/problem";
import { textsOf } from "@/lib/i18n";
import { messages } from "./messages";

export interface Toast {
  id: number;
  tone: "ok" | "bad";
  title: string;
  detail: string;
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
const listeners = new Set<() => void>();

function publish(next: readonly Toast[]): void {
  toasts = next;
  for (const each of listeners) each();
}

function show(toast: Omit<Toast, "id">): number {
  lastId += 1;
  publish([...toasts, { ...toast, id: lastId }].slice(-SHOWN_MAX));
  return lastId;
}

export function dismiss(id: number): void {
  publish(toasts.filter((each) => each.id !== id));
}

/** Say that something worked, and perhaps offer to undo it. It goes by itself. */
export function showDone(title: string, detail = "", action?: ToastAction): void {
  const id = show({ tone: "ok", title, detail, ...(action === undefined ? {} : { action }) });
  setTimeout(() => dismiss(id), action === undefined ? OK_MS : ACTION_MS);
}

/** Say that something happened that wants to be looked at. It goes by itself. */
export function showNotice(title: string, detail: string, action: ToastAction): void {
  const id = show({ tone: "bad", title, detail, action });
  setTimeout(() => dismiss(id), ACTION_MS);
}

/** Say that a change failed, and what to do next. It stays until it is dismissed. */
export function showError(error: unknown): void {
  if (error instanceof ApiError) {
    const detail = [error.problem.detail, ...error.hints].filter(Boolean).join(" ");
    show({ tone: "bad", title: error.problem.title, detail });
    return;
  }
  show({
    tone: "bad",
    title: textsOf(messages).failed,
    detail: error instanceof Error ? error.message : String(error),
  });
}

export function useToasts(): readonly Toast[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
}
