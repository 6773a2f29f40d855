import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

const KEY = "tower.theme";
const listeners = new Set<() => void>();

function stored(): Theme {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

/** Choose a theme; `system` follows the browser. Kept in this browser (public/theme.js reads it before paint). */
export function setTheme(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage is blocked: the choice holds for this page.
  }
  for (const each of listeners) each();
}

export function useTheme(): Theme {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, stored);
}
