import { X } from "lucide-react";
import type { ContainerView } from "@/api/openapi";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/lib/i18n";
import { messages as actionMessages } from "./action-messages";
import { divide, VERBS, type Verb } from "./container-actions";
import { leftOutWords } from "./left-out";
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
  const offered = VERBS.map((verb) => ({ verb, ...divide(verb, chosen, can) })).filter(
    ({ fit }) => fit.length > 0,
  );
  return (
    <div
      role="toolbar"
      aria-label={t.forChosen}
      className="animate-appear fixed inset-x-0 bottom-4 z-20 mx-auto flex w-fit max-w-[calc(100%-1rem)] flex-wrap items-center justify-center gap-1 rounded-xl border border-line bg-raised p-1.5 shadow-float"
    >
      <span role="status" className="tabular px-2 text-sm font-medium whitespace-nowrap">
        {t.chosen(chosen.length)}
      </span>
      {offered.map(({ verb, fit, unfit, denied }) => (
        <Button
          key={verb}
          tone="ghost"
          title={leftOutWords(words, unfit.length, denied)}
          className={verb === "remove" || verb === "kill" ? "text-bad!" : "text-text"}
          onClick={() => onVerb(verb)}
        >
          {VERB_ICONS[verb]}
          {words[verb]}
          {fit.length < chosen.length && <span className="tabular text-muted">{fit.length}</span>}
        </Button>
      ))}
      {offered.length === 0 && <span className="px-2 text-sm text-muted">{words.nothingAllowed}</span>}
      <Button tone="ghost" isIcon aria-label={t.clear} title={t.clear} onClick={onClear}>
        <X aria-hidden className="size-4" />
      </Button>
    </div>
  );
}
