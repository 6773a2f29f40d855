import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowUpRight, Layers } from "lucide-react";
import { Suspense, useState } from "react";
import type { EnvironmentView } from "@/api/openapi";
import { environmentsQuery } from "@/api/queries";
import { Ago } from "@/components/ago";
import { Loaded } from "@/components/loaded";
import { RowMenu } from "@/components/row-menu";
import { Empty, Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, Section } from "@/components/ui/section";
import { lazily } from "@/lib/fetched";
import { formatBytes, formatCount, formatDuration } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { environmentMessages } from "./environment-messages";
import { messages } from "./messages";
import { RemoveEnvironment } from "./remove-environment";

const EnvironmentWindow = lazily(() => import("./environment-window"));

interface EnvironmentsSectionProps {
  can: (action: string) => boolean;
  /** The window of a new environment is open. */
  isAdding: boolean;
  onAdded: () => void;
  onPromote: (environment: string) => void;
}

interface Asked {
  what: "edit" | "remove";
  environment: EnvironmentView;
}

/** Where services are deployed to, what holds there, and what is in it. */
export function EnvironmentsSection({ can, isAdding, onAdded, onPromote }: EnvironmentsSectionProps) {
  const t = useMessages(messages);
  const environments = useQuery(environmentsQuery);
  const [asked, setAsked] = useState<Asked | null>(null);
  const close = () => setAsked(null);
  return (
    <>
      <Loaded
        query={environments}
        loading={
          <Card>
            <Loading label={t.loadingEnvironments} rows={6} />
          </Card>
        }
      >
        {(known) =>
          known.length === 0 ? (
            <Card>
              <Empty icon={<Layers className="size-5" />} title={t.noEnvironments}>
                {t.noEnvironmentsWords}
              </Empty>
            </Card>
          ) : (
            <div className="grid gap-6 md:grid-cols-2 2xl:grid-cols-3">
              {known.map((environment) => (
                <Environment
                  key={environment.name}
                  environment={environment}
                  can={can}
                  onAsk={(what) => setAsked({ what, environment })}
                  onPromote={() => onPromote(environment.name)}
                />
              ))}
            </div>
          )
        }
      </Loaded>
      <Suspense fallback={null}>
        {isAdding && <EnvironmentWindow environment={null} onClose={onAdded} />}
        {asked?.what === "edit" && <EnvironmentWindow environment={asked.environment} onClose={close} />}
      </Suspense>
      {asked?.what === "remove" && <RemoveEnvironment environment={asked.environment} onClose={close} />}
    </>
  );
}

function Environment({
  environment,
  can,
  onAsk,
  onPromote,
}: {
  environment: EnvironmentView;
  can: (action: string) => boolean;
  onAsk: (what: Asked["what"]) => void;
  onPromote: () => void;
}) {
  const t = useMessages(messages);
  const words = useMessages(environmentMessages);
  const { settings } = environment;
  const cpu = (millis: number) => `${formatCount(millis / 1_000)} CPU`;
  const quota = (used: string, limit: string | null) => (limit === null ? used : t.ofQuota(used, limit));
  return (
    <Section
      title={environment.name}
      note={settings.protected && <Badge tone="accent">{t.isProtected}</Badge>}
      actions={
        <>
          {can("service.promote") && (
            <Button onClick={onPromote}>
              <ArrowUpRight aria-hidden className="size-3.5" />
              {t.promoteHere}…
            </Button>
          )}
          <RowMenu
            name={environment.name}
            groups={[
              can("environment.put")
                ? [{ key: "edit", label: `${words.edit}…`, onSelect: () => onAsk("edit") }]
                : [],
              // One that is built in and has nothing set cannot be forgotten.
              can("environment.remove") && environment.is_put
                ? [
                    {
                      key: "remove",
                      label: `${words.remove}…`,
                      isDangerous: true,
                      onSelect: () => onAsk("remove"),
                    },
                  ]
                : [],
            ]}
          />
        </>
      }
    >
      <Card className="flex flex-1 flex-col gap-3 p-4 text-sm">
        <dl className="tabular grid grid-cols-[auto_minmax(0,1fr)] gap-x-6 gap-y-1.5">
          <dt className="text-muted">{t.hosts}</dt>
          <dd className="break-words">
            {settings.hosts.length === 0 && settings.constraints.length === 0
              ? t.everyHost
              : environment.on.join(", ") || <span className="text-warn">{words.noHost}</span>}
          </dd>
          {settings.constraints.length > 0 && (
            <>
              <dt className="text-muted">{t.constraints}</dt>
              <dd className="break-words">{settings.constraints.join(", ")}</dd>
            </>
          )}
          {settings.requires !== "" && (
            <>
              <dt className="text-muted">{t.requires}</dt>
              <dd>{t.soak(settings.requires, formatDuration(settings.soak_s * 1_000))}</dd>
            </>
          )}
          {settings.registry !== "" && (
            <>
              <dt className="text-muted">{t.registry}</dt>
              <dd className="break-all">{settings.registry}</dd>
            </>
          )}
          {(settings.replicas_min > 0 || settings.replicas_max > 0) && (
            <>
              <dt className="text-muted">{t.limits}</dt>
              <dd>{t.replicasBetween(settings.replicas_min, settings.replicas_max)}</dd>
            </>
          )}
          <dt className="text-muted">{t.quotaReplicas}</dt>
          <dd>
            {quota(
              formatCount(environment.used_replicas),
              settings.quota_replicas === null ? null : formatCount(settings.quota_replicas),
            )}
          </dd>
          <dt className="text-muted">{t.quotaCpu}</dt>
          <dd>
            {quota(
              cpu(environment.used_cpu_millis),
              settings.quota_cpu_millis === null ? null : cpu(settings.quota_cpu_millis),
            )}
          </dd>
          <dt className="text-muted">{t.quotaMemory}</dt>
          <dd>
            {quota(
              formatBytes(environment.used_memory_bytes),
              settings.quota_memory_bytes === null ? null : formatBytes(settings.quota_memory_bytes),
            )}
          </dd>
          <dt className="text-muted">{t.services}</dt>
          <dd>
            {environment.services.length === 0 ? (
              t.noServices
            ) : (
              <ul className="flex flex-wrap gap-x-3">
                {environment.services.map((service) => (
                  <li key={service}>
                    <Link
                      to="/services/$service"
                      params={{ service }}
                      className="inline-flex min-h-6 items-center font-medium text-accent hover:underline"
                    >
                      {service}
                    </Link>
                  </li>
                ))}
              </ul>
            )}
          </dd>
        </dl>
        <p className="mt-auto text-xs text-muted">
          {environment.is_put ? (
            <Ago atMs={environment.changed_at_ms} say={(age) => t.changed(environment.changed_by, age)} />
          ) : (
            t.notPut
          )}
          {[settings.protected ? t.protectedNote : "", settings.alerting ? "" : t.alertsOff]
            .filter(Boolean)
            .map((words) => ` · ${words}`)}
        </p>
      </Card>
    </Section>
  );
}
