import { X } from "lucide-react";
import type { ContainerView } from "@/api/openapi";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/lib/i18n";
import { messages as actionMessages } from "./action-messages";
import { VERBS, type Verb, verbsOf } from "./container-actions";
import { messages } from "./messages";
import { VERB_ICONS } from "./row-actions";

interface ChoiceBarProps {
  chosen: readonly ContainerView[];
  can: (action: string) => boolean;
  onVerb: (verb: Verb) => void;
  onClear: () => void;
}

/** What can be done with the chosen containers, at the lower edge: it covers rows, and moves none. */
export function ChoiceBar({ chosen, can, onVerb, onClear }: ChoiceBarProps) {
  const t = useMessages(messages);
  const words = useMessages(actionMessages);
  const offered = new Set(chosen.flatMap((container) => verbsOf(container, can)));
  return (
    <div
      role="toolbar"
      aria-label={t.forChosen}
      className="animate-appear fixed inset-x-0 bottom-4 z-20 mx-auto flex w-fit max-w-[calc(100%-1rem)] flex-wrap items-center justify-center gap-1 rounded-xl border border-line bg-raised p-1.5 shadow-float"
    >
      <span role="status" className="tabular px-2 text-sm font-medium whitespace-nowrap">
        {t.chosen(chosen.length)}
      </span>
      {VERBS.filter((verb) => offered.has(verb)).map((verb) => (
        <Button
          key={verb}
          tone="ghost"
          className={verb === "remove" || verb === "kill" ? "text-bad!" : "text-text"}
          onClick={() => onVerb(verb)}
        >
          {VERB_ICONS[verb]}
          {words[verb]}
        </Button>
      ))}
      <Button tone="ghost" isIcon aria-label={t.clear} title={t.clear} onClick={onClear}>
        <X aria-hidden className="size-4" />
      </Button>
    </div>
  );
}
