import { Link } from "@tanstack/react-router";
import type { ServiceView } from "@/api/openapi";
import { StatusMark } from "@/components/ui/badge";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { RolloutBar } from "./rollout-bar";
import type { Actions } from "./service-asking";
import { RolloutButtons } from "./service-buttons";
import { Elapsed } from "./service-parts";
import type { Standing } from "./service-standing";
import { TrafficBar } from "./traffic-bar";

/** What there is to say about a service, and what can be asked of its rollout. */
export function StandingLines({
  service,
  standing,
  actions,
}: {
  service: ServiceView;
  standing: Standing;
  actions: Actions;
}) {
  const t = useMessages(messages);
  const { tone, words, details, rollout } = standing;
  if (words === "") return null;
  return (
    <div className="mt-2 flex flex-col gap-1.5">
      <p className="flex items-baseline gap-2 text-sm">
        <StatusMark tone={tone} />
        <span className="tabular min-w-0 flex-1 break-words">{words}</span>
        {rollout !== null && <Elapsed sinceMs={rollout.started_at_ms} />}
      </p>
      {rollout !== null && <RolloutBar rollout={rollout} tone={tone} label={t.rolloutOf(service.name)} />}
      {rollout?.split && rollout.stage !== null && (
        <TrafficBar split={rollout.split} label={t.requestsOf(service.name)} />
      )}
      {details.length > 0 && (
        <ul className="flex flex-col gap-0.5 text-sm text-muted">
          {details.map((detail) => (
            <li key={detail} className="break-words">
              {detail}
            </li>
          ))}
        </ul>
      )}
      {rollout !== null && (
        <div className="flex flex-wrap items-end justify-between gap-x-4">
          <RolloutButtons
            service={service}
            rollout={rollout}
            can={actions.can}
            isPending={actions.isPending}
            onVerb={(verb) => actions.onVerb(service, rollout, verb)}
          />
          <Link
            to="/rollouts/$rollout"
            params={{ rollout: rollout.id }}
            className="flex min-h-6 items-center text-sm font-medium text-accent hover:underline"
          >
            {t.follow}
          </Link>
        </div>
      )}
    </div>
  );
}
