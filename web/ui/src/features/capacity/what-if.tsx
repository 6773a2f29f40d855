import { useQuery } from "@tanstack/react-query";
import { capacityQuery } from "@/api/observing";
import type { LossView } from "@/api/openapi";
import { clusterQuery, servicesQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Field, Input, Select } from "@/components/ui/field";
import { Card, Section } from "@/components/ui/section";
import { useMessages } from "@/lib/i18n";
import type { CapacitySearch } from "./capacity-search";
import { messages } from "./messages";
import { Rooms } from "./rooms";

interface WhatIfProps {
  search: CapacitySearch;
  losses: readonly LossView[];
  onSearch: (next: Partial<CapacitySearch>) => void;
}

/** What a lost host or more replicas would do, asked of the same planner that places replicas. */
export function WhatIfSection({ search, losses, onSearch }: WhatIfProps) {
  const t = useMessages(messages);
  const nodes = useQuery(clusterQuery).data?.nodes ?? [];
  const services = useQuery(servicesQuery).data ?? [];
  const isAsked = search.lost !== undefined || search.service !== undefined;
  const now = useQuery(capacityQuery());
  const answer = useQuery({
    ...capacityQuery({ lost: search.lost, service: search.service, replicas: search.replicas }),
    enabled: isAsked,
  });
  return (
    <Section title={t.whatIf} note={t.whatIfNote}>
      <Card>
        <div className="grid gap-4 border-b border-line p-4 sm:grid-cols-3">
          <Field label={t.lose}>
            {(control) => (
              <Select
                {...control}
                value={search.lost ?? ""}
                onChange={(event) => onSearch({ lost: event.currentTarget.value || undefined })}
              >
                <option value="">{t.loseNone}</option>
                {nodes.map(({ id, name }) => (
                  <option key={id} value={name}>
                    {name}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Field label={t.grow}>
            {(control) => (
              <Select
                {...control}
                value={search.service ?? ""}
                onChange={(event) => {
                  const service = event.currentTarget.value || undefined;
                  onSearch({ service, replicas: service === undefined ? undefined : (search.replicas ?? 1) });
                }}
              >
                <option value="">{t.growNone}</option>
                {services.map(({ id }) => (
                  <option key={id} value={id}>
                    {id}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Field label={t.howMany}>
            {(control) => (
              <Input
                {...control}
                type="number"
                min={1}
                max={100}
                disabled={search.service === undefined}
                value={String(search.replicas ?? 1)}
                onChange={(event) => onSearch({ replicas: Number(event.currentTarget.value) || 1 })}
              />
            )}
          </Field>
        </div>
        {isAsked ? (
          <Loaded query={answer} loading={<Loading label={t.loading} rows={5} />}>
            {(found) => (
              <div aria-live="polite">
                <div className="flex flex-col gap-2 px-4 py-3 text-sm">
                  {found.losses.map((loss) => (
                    <Loss key={loss.node_id} loss={loss} />
                  ))}
                  {found.more !== null && (
                    <p>
                      {found.more.hosts.length > 0 &&
                        `${t.placed(found.more.service_id, found.more.hosts.join(", "))}. `}
                      <Sentence text={found.more.reason} />
                      {found.more.tight.length > 0 && ` ${t.tightThen(found.more.tight.join(", "))}.`}
                    </p>
                  )}
                </div>
                <Rooms rooms={found.after} together={null} before={now.data?.hosts ?? []} />
              </div>
            )}
          </Loaded>
        ) : (
          <ul className="divide-y divide-line">
            {losses.map((loss) => (
              <li key={loss.node_id} className="px-4 py-2.5 text-sm">
                <Loss loss={loss} />
              </li>
            ))}
          </ul>
        )}
      </Card>
    </Section>
  );
}

function Loss({ loss }: { loss: LossView }) {
  const t = useMessages(messages);
  const detail = [
    loss.replicas === 0 ? t.noReplicas : t.moving(loss.moving, loss.replicas),
    ...loss.stuck.map(({ service_id, replicas, reason }) => t.stuck(service_id, replicas, reason)),
    loss.tight.length > 0 ? t.tightThen(loss.tight.join(", ")) : "",
  ].filter((part) => part !== "");
  return (
    <div className="flex flex-wrap items-start gap-x-3 gap-y-1">
      <span className="w-32 shrink-0 truncate font-medium">{loss.name}</span>
      <Badge tone={loss.is_survived ? "ok" : "warn"}>{loss.is_survived ? t.survived : t.notSurvived}</Badge>
      <span className="min-w-0 flex-1 basis-64 text-muted">{detail.join("; ")}</span>
    </div>
  );
}
