import { EllipsisVertical, Play, RotateCw, ScrollText, Square, Trash2 } from "lucide-react";
import type { ReactNode } from "react";
import type { ContainerView } from "@/api/openapi";
import { Button } from "@/components/ui/button";
import { MenuButton } from "@/components/ui/menu-button";
import { VERBS, type Verb, verbsOf } from "./container-actions";

const ICONS: Record<Verb, ReactNode> = {
  start: <Play aria-hidden className="size-3.5" />,
  unpause: <Play aria-hidden className="size-3.5" />,
  restart: <RotateCw aria-hidden className="size-3.5" />,
  stop: <Square aria-hidden className="size-3.5" />,
  remove: <Trash2 aria-hidden className="size-3.5" />,
};

interface RowActionsProps {
  container: ContainerView;
  can: (action: string) => boolean;
  onLogs: (container: ContainerView) => void;
  onVerb: (container: ContainerView, verb: Verb) => void;
}

/** Logs, and a menu of what may be done. Without rights there is no menu. */
export function RowActions({ container, can, onLogs, onVerb }: RowActionsProps) {
  const verbs = verbsOf(container, can);
  const item = (verb: Verb) => ({
    key: verb,
    label: VERBS[verb].label,
    icon: ICONS[verb],
    isDangerous: verb === "remove",
    onSelect: () => onVerb(container, verb),
  });
  return (
    <span className="flex items-center justify-end">
      {can("container.logs") && (
        <Button
          tone="ghost"
          isIcon
          aria-label={`Logs of ${container.name}`}
          title="Logs"
          onClick={() => onLogs(container)}
        >
          <ScrollText aria-hidden className="size-4" />
        </Button>
      )}
      {verbs.length > 0 && (
        <MenuButton
          tone="ghost"
          isIcon
          aria-label={`Actions for ${container.name}`}
          title="Actions"
          menuLabel={`Actions for ${container.name}`}
          groups={[
            verbs.filter((verb) => verb !== "remove").map(item),
            verbs.filter((verb) => verb === "remove").map(item),
          ]}
        >
          <EllipsisVertical aria-hidden className="size-4" />
        </MenuButton>
      )}
    </span>
  );
}
