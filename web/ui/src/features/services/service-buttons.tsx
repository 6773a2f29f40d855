import { RotateCw, Undo2 } from "lucide-react";
import type { ReactNode } from "react";
import type { RolloutView, ServiceView } from "@/api/openapi";
import { RowMenu } from "@/components/row-menu";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { steersOf, VERBS, type Verb, verbsOf } from "./service-actions";

interface ServiceButtonsProps {
  service: ServiceView;
  can: (action: string) => boolean;
  isPending: boolean;
  onVerb: (verb: Verb) => void;
}

/** What can be asked of a rollout under way. Without rights there are no buttons. */
export function RolloutButtons({
  service,
  rollout,
  can,
  isPending,
  onVerb,
}: ServiceButtonsProps & { rollout: RolloutView }) {
  const t = useMessages(messages);
  const steers = steersOf(rollout, service, can);
  if (steers.length === 0) return null;
  return (
    <div className="flex flex-wrap gap-2 pt-1">
      {steers.map((steer) => (
        <Button
          key={steer}
          tone={steer === "approve" ? "primary" : "plain"}
          disabled={isPending}
          aria-label={t.verbOf(t.verbs[steer], service.id)}
          onClick={() => onVerb(steer)}
        >
          {t.verbs[steer]}
        </Button>
      ))}
    </div>
  );
}

const ICONS: Partial<Record<Verb, ReactNode>> = {
  restart: <RotateCw aria-hidden className="size-3.5" />,
  rollback: <Undo2 aria-hidden className="size-3.5" />,
};

/** What can be asked of a service that is not being rolled out. */
export function ServiceMenu({ service, can, onVerb }: Omit<ServiceButtonsProps, "isPending">) {
  const t = useMessages(messages);
  const item = (verb: Verb) => ({
    key: verb,
    label: t.verbs[verb],
    icon: ICONS[verb],
    isDangerous: VERBS[verb].isDangerous,
    onSelect: () => onVerb(verb),
  });
  return <RowMenu name={service.id} groups={[verbsOf(service, can).map(item)]} />;
}
