import { useState } from "react";
import { TIME_MODES, type TimeMode } from "./times";

/** How this browser shows logs, whatever log it is. */
export interface LogPreferences {
  isWrapped: boolean;
  timeMode: TimeMode;
}

const KEY = "tower.logs";

function stored(): LogPreferences {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<LogPreferences>;
    return {
      isWrapped: found.isWrapped !== false,
      timeMode: TIME_MODES.find((each) => each === found.timeMode) ?? "local",
    };
  } catch {
    // Storage is blocked, or holds something else.
    return { isWrapped: true, timeMode: "local" };
  }
}

export function useLogPreferences(): [LogPreferences, (next: Partial<LogPreferences>) => void] {
  const [preferences, setPreferences] = useState(stored);
  const change = (next: Partial<LogPreferences>) => {
    const all = { ...preferences, ...next };
    setPreferences(all);
    try {
      localStorage.setItem(KEY, JSON.stringify(all));
    } catch {
      // Storage is blocked: the choice holds for this page.
    }
  };
  return [preferences, change];
}
