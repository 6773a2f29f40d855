import { useState } from "react";
import { Sheet } from "@/components/ui/sheet";
import { useMessages } from "@/lib/i18n";
import { activeShortcuts, areSingleKeysOn, setSingleKeys } from "@/lib/keys";
import { messages } from "./messages";

/** Every shortcut that works on the page beneath, and the switch for those of single keys. */
export default function ShortcutsSheet({ onClose }: { onClose: () => void }) {
  const t = useMessages(messages);
  const [shortcuts] = useState(activeShortcuts);
  const [areOn, setOn] = useState(areSingleKeysOn);
  const groups = [...new Set(shortcuts.map(({ group }) => group))];
  return (
    <Sheet title={t.shortcuts} description={t.shortcutsNote} onClose={onClose}>
      <div className="flex flex-col gap-5 overflow-y-auto px-4 py-4">
        <label className="flex items-start gap-2.5">
          <input
            type="checkbox"
            checked={areOn}
            onChange={(event) => {
              setSingleKeys(event.currentTarget.checked);
              setOn(event.currentTarget.checked);
            }}
            className="mt-1 size-4 shrink-0 accent-(--accent)"
          />
          <span>
            <span className="block text-sm font-medium">{t.singleKeys}</span>
            <span className="block text-sm text-muted">{t.singleKeysNote}</span>
          </span>
        </label>
        {groups.map((group) => (
          <section key={group} aria-label={group}>
            <h3 className="mb-1 text-xs font-medium text-muted">{group}</h3>
            <dl className="divide-y divide-line">
              {shortcuts
                .filter((each) => each.group === group)
                .map(({ keys, label }) => (
                  <div key={`${keys} ${label}`} className="flex items-center justify-between gap-4 py-1.5">
                    <dt className="text-sm">{label}</dt>
                    <dd className="flex shrink-0 items-center gap-1 text-xs text-muted">
                      <Keys keys={keys} between={t.after} />
                    </dd>
                  </div>
                ))}
            </dl>
          </section>
        ))}
      </div>
    </Sheet>
  );
}

function Keys({ keys, between }: { keys: string; between: string }) {
  const isApple = /Mac|iPhone|iPad/.test(navigator.userAgent);
  return keys.split(" ").map((part, index) => (
    <span key={index} className="flex items-center gap-1">
      {index > 0 && between}
      <kbd className="rounded border border-line-strong bg-hover px-1.5 font-mono text-text">
        {part.replace("mod+", isApple ? "⌘ " : "Ctrl ")}
      </kbd>
    </span>
  ));
}
