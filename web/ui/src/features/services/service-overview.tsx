import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Suspense, useMemo, useState } from "react";
import { request } from "@/api/client";
import { latest as latestOf } from "@/api/metrics";
import type { AssignmentView, ServiceDetail, WatchView } from "@/api/openapi";
import { metricsQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Sparkline } from "@/components/sparkline";
import { Loading } from "@/components/states";
import { Badge, Status, StatusMark, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, Section } from "@/components/ui/section";
import { showDone } from "@/components/ui/toast-store";
import { useNow } from "@/lib/clock";
import { lazily } from "@/lib/fetched";
import {
  formatAge,
  formatBytes,
  formatCount,
  formatDuration,
  formatMoment,
  formatPercent,
  parseImage,
  shortId,
  UNKNOWN,
} from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { formatMs } from "./measures";
import { messages } from "./messages";
import { pageMessages } from "./page-messages";
import { useRefresh } from "./service-actions";
import { plannedQuery } from "./service-queries";
import { TrafficBar } from "./traffic-bar";
import { totalOf } from "./usage";

const RemoveDialog = lazily(() => import("./remove-dialog"));
const TrafficDialog = lazily(() => import("./traffic-dialog"));

interface OverviewProps {
  service: ServiceDetail;
  can: (action: string) => boolean;
}

/** What runs of a service, where and how. */
export function ServiceOverview({ service, can, onRemoved }: OverviewProps & { onRemoved: () => void }) {
  return (
    <div className="grid items-start gap-6 xl:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
      <div className="flex min-w-0 flex-col gap-6">
        <Replicas service={service} />
        <Drift service={service} />
        <Usage service={service} />
      </div>
      <div className="flex min-w-0 flex-col gap-6">
        <Traffic service={service} can={can} />
        <Scaling service={service} />
        <Planned service={service} />
        <ImageWatch service={service} can={can} />
        {can("service.remove") && <Danger service={service} onRemoved={onRemoved} />}
      </div>
    </div>
  );
}

const PHASES: Record<AssignmentView["phase"], Tone> = {
  pending: "neutral",
  pulling: "accent",
  starting: "accent",
  healthy: "ok",
  unhealthy: "bad",
  exited: "bad",
  failed: "bad",
  removed: "neutral",
};

function Replicas({ service }: { service: ServiceDetail }) {
  const t = useMessages(pageMessages);
  const now = useNow();
  const { assignments } = service;
  return (
    <Section title={t.replicas} note={formatCount(assignments.length)}>
      <Card className="overflow-x-auto">
        {assignments.length === 0 ? (
          <p className="px-4 py-3 text-sm text-muted">{t.noReplicasWords}</p>
        ) : (
          <table className="tabular w-full text-sm">
            <thead>
              <tr className="text-left text-xs text-muted">
                <th scope="col" className="px-4 py-2 font-medium">
                  {t.container}
                </th>
                <th scope="col" className="px-2 py-2 font-medium">
                  {t.host}
                </th>
                <th scope="col" className="px-2 py-2 font-medium">
                  {t.state}
                </th>
                <th scope="col" className="px-2 py-2 text-right font-medium max-sm:hidden">
                  {t.restarts}
                </th>
                <th scope="col" className="px-4 py-2 text-right font-medium">
                  {t.age}
                </th>
              </tr>
            </thead>
            <tbody className="divide-y divide-line border-t border-line">
              {assignments.map((each) => (
                <tr key={`${each.node_id} ${each.container_name}`}>
                  <th scope="row" className="px-4 py-2 text-left font-normal">
                    <ContainerLink assignment={each} />
                    <span className="block text-xs text-muted">
                      {t.pieceRevision(each.revision)}
                      {each.address !== "" && ` · ${each.address}:${each.port}`}
                    </span>
                  </th>
                  <td className="px-2 py-2 whitespace-nowrap">{each.node_name}</td>
                  <td className="px-2 py-2">
                    <Status tone={PHASES[each.phase]}>{t.phases[each.phase]}</Status>
                    {each.reason !== "" && (
                      <span className="block max-w-96 text-xs break-words text-muted">
                        <Sentence text={each.reason} isCapital />
                      </span>
                    )}
                  </td>
                  <td className="px-2 py-2 text-right max-sm:hidden">{formatCount(each.restarts)}</td>
                  <td
                    className="px-4 py-2 text-right whitespace-nowrap text-muted"
                    title={formatMoment(each.changed_at_ms)}
                  >
                    {formatDuration(now - each.changed_at_ms)}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Card>
      {service.kept !== null && (
        <p className="mt-1.5 text-sm text-muted">
          {t.kept(service.kept.revision, formatMoment(service.kept.until_ms))}
        </p>
      )}
      {service.adopted > 0 && <p className="mt-1.5 text-sm text-muted">{t.adopted(service.adopted)}</p>}
    </Section>
  );
}

function ContainerLink({
  assignment: { container_id: id, container_name: name, node_id },
}: {
  assignment: AssignmentView;
}) {
  if (id === "") return <span className="break-all">{name}</span>;
  return (
    <Link
      to="/containers/$node/$container"
      params={{ node: node_id, container: id }}
      className="inline-flex min-h-6 items-center font-medium break-all text-accent hover:underline"
    >
      {name}
    </Link>
  );
}

/** What is wanted by digest, what each host runs, and which of them differ. */
function Drift({ service }: { service: ServiceDetail }) {
  const t = useMessages(pageMessages);
  const asked = new Set(service.assignments.map(({ revision }) => revision));
  const wanted = service.revisions.filter(({ number }) => asked.has(number) || number === service.revision);
  const drifted = new Map(service.drift.map((each) => [each.container_name, each]));
  return (
    <Section title={t.drift}>
      <Card className="flex flex-col gap-3 p-4 text-sm">
        <div className="flex gap-3">
          <span className="text-muted">{t.wanted}</span>
          <ul className="tabular min-w-0 flex-1">
            {wanted.map(({ number, spec }) => (
              <li key={number} className="flex items-baseline gap-3">
                <span className="min-w-0 flex-1 truncate">
                  {parseImage(spec.image).short}
                  {parseImage(spec.image).tag !== "" && `:${parseImage(spec.image).tag}`} ·{" "}
                  {t.pieceRevision(number)}
                </span>
                <span className="font-mono text-xs" title={spec.digest}>
                  {shortId(spec.digest.replace("sha256:", "")) || UNKNOWN}
                </span>
              </li>
            ))}
          </ul>
        </div>
        {service.running.length > 0 && (
          <ul className="tabular divide-y divide-line border-y border-line">
            {service.running.map((each) => {
              const digest = shortId(each.digest.replace("sha256:", ""));
              const found = drifted.get(each.container_name);
              return (
                <li
                  key={`${each.node_name} ${each.container_name}`}
                  className="flex items-baseline gap-3 py-1.5"
                >
                  <Status tone={found === undefined ? "ok" : "warn"}>{each.node_name}</Status>
                  <span className="min-w-0 flex-1 truncate text-muted">
                    {parseImage(each.image).short}
                    {parseImage(each.image).tag !== "" && `:${parseImage(each.image).tag}`} ·{" "}
                    {t.pieceRevision(each.revision)}
                  </span>
                  <span className="font-mono text-xs" title={each.digest}>
                    {digest || UNKNOWN}
                  </span>
                </li>
              );
            })}
          </ul>
        )}
        {service.drift.length === 0 ? (
          <p className="flex items-baseline gap-2">
            <StatusMark tone="ok" />
            {t.noDrift}
          </p>
        ) : (
          <ul className="flex flex-col gap-1.5">
            {service.drift.map((each) => (
              <li key={`${each.node_name} ${each.container_name}`} className="flex items-baseline gap-2">
                <Badge tone="warn">{t.kinds[each.kind]}</Badge>
                <span className="min-w-0 break-words">
                  <Sentence text={each.words} isCapital />
                </span>
              </li>
            ))}
          </ul>
        )}
        {service.unseen.length > 0 && <p className="text-warn">{t.unseen(service.unseen.join(", "))}</p>}
      </Card>
    </Section>
  );
}

function Usage({ service }: { service: ServiceDetail }) {
  const t = useMessages(pageMessages);
  const metrics = useQuery(metricsQuery);
  const ids = useMemo(
    () => new Set(service.assignments.map(({ container_id }) => container_id)),
    [service.assignments],
  );
  const course = (metric: string) => totalOf(metrics.data ?? [], ids, metric);
  return (
    <Section title={t.usage} note={t.lastTenMinutes}>
      <Card className="grid gap-4 p-4 sm:grid-cols-2">
        <Course label={t.cpu} values={course("cpu_percent")} topMin={1} format={formatPercent} />
        <Course label={t.memory} values={course("memory_bytes")} topMin={1024 ** 2} format={formatBytes} />
      </Card>
    </Section>
  );
}

function Course({
  label,
  values,
  topMin,
  format,
}: {
  label: string;
  values: readonly (number | null)[];
  topMin: number;
  format: (value: number | null) => string;
}) {
  const t = useMessages(pageMessages);
  const now = format(latestOf({ subject: "", metric: "", values: [...values] }));
  return (
    <div className="flex flex-col gap-1">
      <p className="flex items-baseline justify-between text-sm">
        <span className="text-muted">{label}</span>
        <span className="tabular font-medium">{now}</span>
      </p>
      <div className="h-12 text-accent">
        {values.length > 0 && (
          <Sparkline
            values={values}
            topMin={topMin}
            label={t.usageLabel(label, now)}
            className="h-12 w-full"
          />
        )}
      </div>
    </div>
  );
}

function Traffic({ service, can }: OverviewProps) {
  const t = useMessages(pageMessages);
  const base = useMessages(messages);
  const now = useNow();
  const [isOpen, setOpen] = useState(false);
  const { split } = service;
  const isShared = split !== null && split.shares.filter(({ replicas }) => replicas > 0).length > 1;
  return (
    <Section
      title={t.traffic}
      actions={
        isShared &&
        can("service.switch-traffic") && <Button onClick={() => setOpen(true)}>{t.moveTraffic}…</Button>
      }
    >
      <Card className="flex flex-col gap-3 p-4 text-sm">
        {split === null ? (
          <p className="text-muted">{t.noTraffic}</p>
        ) : (
          <>
            <TrafficBar split={split} label={base.requestsOf(service.id)} />
            {split.by !== "" && (
              <p className="text-muted">{t.sharedBy(split.by, formatAge(split.changed_at_ms, now))}</p>
            )}
            <ul className="flex flex-wrap gap-x-4 gap-y-1 border-t border-line pt-3">
              {split.routers.map((router) => (
                <li key={router.node_id}>
                  <Status tone={router.is_down ? "neutral" : router.has_routed ? "ok" : "warn"}>
                    {router.node_name}{" "}
                    <span className="text-muted">
                      {router.is_down ? t.down : router.has_routed ? t.inForce : t.waiting}
                    </span>
                  </Status>
                </li>
              ))}
            </ul>
          </>
        )}
      </Card>
      {isOpen && split !== null && (
        <Suspense fallback={null}>
          <TrafficDialog service={service} split={split} onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </Section>
  );
}

function Scaling({ service }: { service: ServiceDetail }) {
  const t = useMessages(pageMessages);
  const now = useNow();
  const { scaling, scalings } = service;
  const words = (metric: string, value: number | null) =>
    value === null
      ? UNKNOWN
      : metric === "latency_p95"
        ? formatMs(value)
        : metric === "requests_per_second"
          ? formatCount(value)
          : `${formatCount(value)} %`;
  return (
    <Section title={t.scaling}>
      <Card className="flex flex-col gap-2 p-4 text-sm">
        {scaling === null ? (
          <p className="text-muted">{t.notScaled}</p>
        ) : (
          <>
            <p className="font-medium">{t.scaledBetween(scaling.min, scaling.max)}</p>
            {scaling.held_by !== "" && <p className="text-warn">{t.heldBy(scaling.held_by)}</p>}
            {scaling.reason !== "" && (
              <p className="text-muted">
                <Sentence text={scaling.reason} isCapital />
              </p>
            )}
            <ul className="tabular">
              {scaling.metrics.map((each) => (
                <li key={each.metric}>
                  {t.metricTarget(
                    t.scaleMetrics[each.metric],
                    words(each.metric, each.observed),
                    words(each.metric, each.target),
                  )}
                </li>
              ))}
            </ul>
          </>
        )}
        {scalings.length > 0 && (
          <ul aria-label={t.scaleChanges} className="tabular flex flex-col gap-1 border-t border-line pt-2">
            {scalings.slice(0, 5).map((each) => (
              <li key={each.at_ms} className="flex items-baseline gap-2">
                <span className="font-medium">{t.scaledFromTo(each.replicas_before, each.replicas)}</span>
                <span className="min-w-0 flex-1 break-words text-muted">
                  {each.by !== "" && `${each.by}${each.reason === "" ? "" : ": "}`}
                  <Sentence text={each.reason} />
                </span>
                <span className="shrink-0 text-xs text-muted">{formatAge(each.at_ms, now)}</span>
              </li>
            ))}
          </ul>
        )}
      </Card>
    </Section>
  );
}

function Planned({ service }: { service: ServiceDetail }) {
  const t = useMessages(pageMessages);
  const planned = useQuery(plannedQuery(service.id));
  return (
    <Section title={t.planned}>
      <Card className="p-4 text-sm">
        <Loaded query={planned} loading={<Loading label={t.planned} rows={1} className="p-0" />}>
          {(known) =>
            known.length === 0 ? (
              <p className="text-muted">{t.nothingPlanned}</p>
            ) : (
              <ul className="tabular flex flex-col gap-1">
                {known.map((schedule) => (
                  <li key={schedule.id}>
                    <Link
                      to="/schedules"
                      className="inline-flex min-h-6 items-center font-medium text-accent hover:underline"
                    >
                      {schedule.next_fire_ms === null ? UNKNOWN : formatMoment(schedule.next_fire_ms)}
                    </Link>{" "}
                    <span className="text-muted">
                      {[schedule.cron, t.by(schedule.by)].filter(Boolean).join(" · ")}
                    </span>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
    </Section>
  );
}

function ImageWatch({ service, can }: OverviewProps) {
  const t = useMessages(pageMessages);
  const refresh = useRefresh();
  const { watch } = service;
  const change = useMutation({
    mutationFn: (isOn: boolean) =>
      request(
        `/services/${encodeURIComponent(service.id)}/watch`,
        isOn ? { method: "PUT", body: {} } : { method: "DELETE" },
      ),
    onSuccess: (_, isOn) => showDone(isOn ? t.watchStarted : t.watchStopped),
    onSettled: refresh,
  });
  return (
    <Section
      title={t.watch}
      actions={
        can("service.watch") && (
          <Button disabled={change.isPending} onClick={() => change.mutate(watch === null)}>
            {watch === null ? t.watchStart : t.watchStop}
          </Button>
        )
      }
    >
      <Card className="flex flex-col gap-1.5 p-4 text-sm">
        {watch === null ? <p className="text-muted">{t.noWatch}</p> : <Watched watch={watch} />}
      </Card>
    </Section>
  );
}

function Watched({ watch }: { watch: WatchView }) {
  const t = useMessages(pageMessages);
  const now = useNow();
  const isKnown = watch.checked_at_ms !== null;
  return (
    <>
      <p>
        <Status tone={!isKnown ? "neutral" : watch.is_newer ? "accent" : "ok"}>
          {!isKnown ? t.watchUnknown : watch.is_newer ? t.watchNewer : t.watchSame}
        </Status>
      </p>
      <p className="text-muted">
        {[
          t.watchEvery(parseImage(watch.image).tag || watch.image, formatDuration(watch.every_s * 1_000)),
          watch.checked_at_ms === null ? "" : t.watchChecked(formatAge(watch.checked_at_ms, now)),
          watch.is_from_file ? t.watchFromFile : "",
        ]
          .filter(Boolean)
          .join(" · ")}
      </p>
      {watch.problem !== "" && (
        <p className="text-warn">
          <Sentence text={watch.problem} isCapital />
        </p>
      )}
    </>
  );
}

function Danger({ service, onRemoved }: { service: ServiceDetail; onRemoved: () => void }) {
  const t = useMessages(pageMessages);
  const base = useMessages(messages);
  const [isOpen, setOpen] = useState(false);
  return (
    <Section title={t.danger}>
      <Card className="flex flex-wrap items-center justify-between gap-3 p-4 text-sm">
        <p className="min-w-0 flex-1 basis-48 text-muted">{t.dangerWords}</p>
        <Button tone="danger" disabled={service.status === "removing"} onClick={() => setOpen(true)}>
          {base.verbs.remove}…
        </Button>
      </Card>
      {isOpen && (
        <Suspense fallback={null}>
          <RemoveDialog service={service} onClose={() => setOpen(false)} onRemoved={onRemoved} />
        </Suspense>
      )}
    </Section>
  );
}
