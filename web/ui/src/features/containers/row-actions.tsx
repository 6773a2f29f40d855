import { OctagonX, Pause, Play, RotateCw, ScrollText, Square, StepForward, Trash2 } from "lucide-react";
import type { ReactNode } from "react";
import type { ContainerView } from "@/api/openapi";
import { canOn } from "@/api/permissions";
import { RowMenu } from "@/components/row-menu";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/lib/i18n";
import { messages as actionMessages } from "./action-messages";
import { type Verb, verbsOf } from "./container-actions";
import { messages } from "./messages";

export const VERB_ICONS: Record<Verb, ReactNode> = {
  start: <Play aria-hidden className="size-3.5" />,
  unpause: <StepForward aria-hidden className="size-3.5" />,
  restart: <RotateCw aria-hidden className="size-3.5" />,
  stop: <Square aria-hidden className="size-3.5" />,
  pause: <Pause aria-hidden className="size-3.5" />,
  kill: <OctagonX aria-hidden className="size-3.5" />,
  remove: <Trash2 aria-hidden className="size-3.5" />,
};

const DANGEROUS: readonly Verb[] = ["kill", "remove"];

interface RowActionsProps {
  container: ContainerView;
  can: (action: string) => boolean;
  onLogs: (container: ContainerView) => void;
  onVerb: (container: ContainerView, verb: Verb) => void;
}

/** Logs, and a menu of what may be done. Without rights there is no menu. */
export function RowActions({ container, can, onLogs, onVerb }: RowActionsProps) {
  const t = useMessages(messages);
  const words = useMessages(actionMessages);
  const verbs = verbsOf(container, can);
  const item = (verb: Verb) => ({
    key: verb,
    label: words[verb],
    icon: VERB_ICONS[verb],
    isDangerous: DANGEROUS.includes(verb),
    onSelect: () => onVerb(container, verb),
  });
  return (
    <span className="flex items-center justify-end">
      {canOn(container, can)("container.logs") && (
        <Button
          tone="ghost"
          isIcon
          aria-label={t.logsOf(container.name)}
          title={t.logs}
          onClick={() => onLogs(container)}
        >
          <ScrollText aria-hidden className="size-4" />
        </Button>
      )}
      <RowMenu
        name={container.name}
        groups={[
          verbs.filter((verb) => !DANGEROUS.includes(verb)).map(item),
          verbs.filter((verb) => DANGEROUS.includes(verb)).map(item),
        ]}
      />
    </span>
  );
}
