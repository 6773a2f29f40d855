import { useId } from "react";
import { Fact, Facts } from "@/components/facts";
import { FieldChanges } from "@/components/field-changes";
import { Sentence } from "@/components/sentence";
import { Badge, Status, type Tone } from "@/components/ui/badge";
import { Card } from "@/components/ui/section";
import { capital, formatCount, formatDuration, formatShare, UNKNOWN } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { FindingsList } from "./findings-list";
import { messages } from "./messages";
import type { Kind, Plan, PlannedService, Reach } from "./plan";

const TONES: Record<Kind, Tone> = { new: "ok", changed: "accent", retried: "warn", unchanged: "neutral" };

/** What would happen to each service, those that change first. */
export function PlanView({ plan }: { plan: Plan }) {
  const t = useMessages(messages);
  const changes = plan.services.some(({ kind }) => kind !== "unchanged");
  return (
    <div className="flex min-w-0 flex-col gap-4">
      {plan.findings.length > 0 && (
        <Card className="px-4 py-1">
          <FindingsList findings={plan.findings} />
        </Card>
      )}
      {!changes && plan.services.length > 0 && <p className="text-sm text-muted">{t.nothingChanges}</p>}
      {plan.services.map((service) => (
        <ServicePlan key={service.id} service={service} />
      ))}
    </div>
  );
}

function ServicePlan({ service }: { service: PlannedService }) {
  const t = useMessages(messages);
  const id = useId();
  const { kind, forecast, changes, findings } = service;
  const isTouched = kind !== "unchanged";
  return (
    <section aria-labelledby={id}>
      <Card className="flex flex-col gap-3 px-4 py-3">
        <header className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <h3 id={id} className="min-w-0 text-base font-semibold break-words">
            {service.id}
          </h3>
          <Badge tone={TONES[kind]}>{t.kinds[kind]}</Badge>
          <span className="tabular text-sm text-muted">
            {t.revision(service.revision)}
            {isTouched && ` · ${t.strategies[service.strategy]}`}
          </span>
        </header>
        {service.supersedes !== null && <p className="text-sm text-warn">{t.supersedes}</p>}
        {isTouched && forecast !== null && <Forecast service={service} />}
        {findings.length > 0 && <FindingsList findings={findings} />}
        {changes.length > 0 && <FieldChanges changes={changes} label={t.changesOf(service.id)} />}
        {isTouched && service.hosts.length > 0 && <Places service={service} />}
      </Card>
    </section>
  );
}

function Forecast({ service }: { service: PlannedService }) {
  const t = useMessages(messages);
  const { forecast } = service;
  if (forecast === null) return null;
  if (service.kind === "new") return <p className="text-sm text-muted">{t.startsNew}</p>;
  const order = t.orders[forecast.order as keyof typeof t.orders] ?? forecast.order;
  return (
    <div className="flex flex-col gap-1 text-sm text-muted">
      <p>
        <span className="text-text">{capital(order)}</span>
        {forecast.reason !== "" && (
          <>
            : <Sentence text={forecast.reason} />
          </>
        )}
        {forecast.steps_permille.length === 0 && forecast.batches > 1 && ` · ${t.batches(forecast.batches)}`}
      </p>
      {forecast.steps_permille.length > 0 && (
        <ol aria-label={t.steps2} className="tabular flex flex-wrap items-center gap-1">
          {forecast.steps_permille.map((share, index) => (
            <li key={share} className="flex items-center gap-1">
              {index > 0 && <span aria-hidden>→</span>}
              <Badge tone="accent">{formatShare(share)}</Badge>
            </li>
          ))}
        </ol>
      )}
      {forecast.merged !== "" && (
        <p>
          <Sentence text={forecast.merged} isCapital />
        </p>
      )}
      {forecast.extra.length > 0 && (
        <p>{forecast.extra.map((each) => t.extra(each.node_name, each.containers)).join(" · ")}</p>
      )}
      {forecast.drops.map((drop) => (
        <p key={drop} className="text-warn">
          {t.drops}: <Sentence text={drop} />
        </p>
      ))}
    </div>
  );
}

function Places({ service }: { service: PlannedService }) {
  const t = useMessages(messages);
  return (
    <ul aria-label={t.places} className="tabular flex flex-wrap gap-x-4 gap-y-1 text-sm">
      {service.hosts.map((host) => (
        <li key={host.ordinal} className="min-w-0">
          <Status
            tone={host.node_name == null ? "bad" : host.is_new ? "accent" : "ok"}
            title={serverWords(host.reason)}
          >
            {t.replica(host.ordinal)}: {host.node_name ?? t.noHost}
            <span className="text-muted">
              {" "}
              {host.node_name == null ? <Sentence text={host.reason} /> : host.is_new ? t.starts : t.placed}
            </span>
          </Status>
        </li>
      ))}
    </ul>
  );
}

/** How far a deployment reaches, in numbers. */
export function ReachView({ reach }: { reach: Reach }) {
  const t = useMessages(messages);
  const hosts = reach.hosts.length === 0 ? UNKNOWN : reach.hosts.join(", ");
  return (
    <Facts>
      <Fact term={t.reachServices}>{formatCount(reach.services)}</Fact>
      <Fact term={t.reachReplicas}>{formatCount(reach.replicas)}</Fact>
      <Fact term={t.reachHosts}>{hosts}</Fact>
      <Fact term={t.reachTime}>
        {formatDuration(reach.estimateS * 1_000)}
        <span className="block text-xs text-muted">{t.reachTimeNote}</span>
      </Fact>
      <Fact term={t.drops}>
        {reach.drops.length === 0 ? (
          t.nothingDropped
        ) : (
          <ul className="text-warn">
            {reach.drops.map((drop) => (
              <li key={drop} className="break-words">
                {drop}
              </li>
            ))}
          </ul>
        )}
      </Fact>
    </Facts>
  );
}
