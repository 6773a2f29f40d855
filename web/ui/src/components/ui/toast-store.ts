import { useSyncExternalStore } from "react";
import { ApiError } from "@/api/problem";

export interface Toast {
  id: number;
  tone: "ok" | "bad";
  title: string;
  detail: string;
}

const SHOWN_MAX = 4;
const OK_MS = 5_000;

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

/** Say that something worked. It goes by itself. */
export function showDone(title: string, detail = ""): void {
  const id = show({ tone: "ok", title, detail });
  setTimeout(() => dismiss(id), OK_MS);
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
    title: "That did not work",
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
