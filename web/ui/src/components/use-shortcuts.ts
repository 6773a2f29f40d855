import { useEffect, useRef } from "react";
import { addShortcuts, type Shortcut } from "@/lib/keys";

/** Have these shortcuts work while the caller is on the page, and be listed under `?`. */
export function useShortcuts(shortcuts: readonly Shortcut[]): void {
  const newest = useRef(shortcuts);
  newest.current = shortcuts;
  const key = shortcuts.map(({ keys, label }) => `${keys} ${label}`).join("\n");
  // biome-ignore lint/correctness/useExhaustiveDependencies: made anew when other keys are meant; what they do is looked up when they are pressed
  useEffect(
    () =>
      addShortcuts(
        newest.current.map((shortcut, index) => ({ ...shortcut, run: () => newest.current[index]?.run() })),
      ),
    [key],
  );
}
