import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { HOST_SUBJECT, latest, seriesOf } from "@/api/metrics";
import type { FactsView, HostLiveView, NodeView } from "@/api/openapi";
import { clusterQuery, metricsQuery } from "@/api/queries";
import { Banner } from "@/components/banner";
import { LazyTimeChart } from "@/components/lazy-time-chart";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Empty, Loading } from "@/components/states";
import type { ChartLine } from "@/components/time-chart-data";
import { Badge } from "@/components/ui/badge";
import { Sheet } from "@/components/ui/sheet";
import { useNow } from "@/lib/clock";
import { formatAge, formatCount, formatMoment, formatSize, UNKNOWN } from "@/lib/format";
import { textsOf, useMessages } from "@/lib/i18n";
import type { TimeRange } from "@/lib/time-range";
import { details } from "./details-messages";
import { courseOf, isTelling, statusOf } from "./host-status";

interface HostSheetProps {
  nodeId: string;
  onClose: () => void;
  /** Show the containers of the host of that name. */
  onContainers: (hostName: string) => void;
}

/** One host: its courses with axes, and what it says of itself. */
export default function HostSheet({ nodeId, onClose, onContainers }: HostSheetProps) {
  const t = useMessages(details);
  const cluster = useQuery(clusterQuery);
  const node = cluster.data?.nodes.find((each) => each.id === nodeId);
  return (
    <Sheet
      title={node?.name ?? t.host}
      description={node === undefined ? nodeId : `${t.roles[node.role]} · ${node.address}`}
      actions={node !== undefined && <Standing node={node} />}
      onClose={onClose}
    >
      <div className="min-h-0 flex-1 overflow-y-auto">
        <Loaded query={cluster} loading={<Loading label={t.loadingHost} />}>
          {() =>
            node === undefined ? (
              <Empty icon="?" title={t.noSuchHost}>
                {t.noSuchHostNote}
              </Empty>
            ) : (
              <Details node={node} onContainers={onContainers} />
            )
          }
        </Loaded>
      </div>
    </Sheet>
  );
}

function Details({ node, onContainers }: { node: NodeView } & Pick<HostSheetProps, "onContainers">) {
  const t = useMessages(details);
  const metrics = useQuery(metricsQuery);
  const live = courseOf(node, metrics.data ?? []);
  const memoryLimit = latest(seriesOf(live, HOST_SUBJECT, "memory_limit_bytes")) ?? node.facts.memory_bytes;
  return (
    <div className="flex flex-col gap-6 p-4">
      {(node.status !== "up" || node.problem !== "") && (
        <Trouble node={node} isCurrent={isTelling(node, metrics.data ?? [])} />
      )}
      <Loaded query={metrics} loading={<Loading label={t.loadingMinutes} rows={8} />}>
        {() =>
          live === undefined || live.times_ms.length === 0 ? (
            <p className="text-sm text-muted">{t.noNumbers}</p>
          ) : (
            <>
              <LazyTimeChart
                title={t.cpu}
                timesMs={live.times_ms}
                lines={[lineOf(live, "cpu_percent", t.cpu, 0)]}
                unit="percent"
                range={rangeOf(live)}
                top={100}
                syncKey="host"
              />
              <LazyTimeChart
                title={t.memory}
                timesMs={live.times_ms}
                lines={[lineOf(live, "memory_bytes", t.memory, 1)]}
                unit="bytes"
                range={rangeOf(live)}
                top={memoryLimit || null}
                syncKey="host"
              />
            </>
          )
        }
      </Loaded>
      <Facts node={node} onContainers={onContainers} />
    </div>
  );
}

function lineOf(live: HostLiveView, metric: string, label: string, color: number): ChartLine {
  return { key: metric, label, color, values: seriesOf(live, HOST_SUBJECT, metric)?.values ?? [] };
}

function rangeOf({ times_ms }: HostLiveView): TimeRange {
  return { startMs: times_ms[0] ?? 0, endMs: times_ms.at(-1) ?? 0 };
}

function Standing({ node }: { node: NodeView }) {
  const { data: hosts = [] } = useQuery(metricsQuery);
  const { tone, word } = statusOf(node, isTelling(node, hosts));
  return <Badge tone={tone}>{word}</Badge>;
}

/** What is wrong with it, and how old what is shown is for that. */
function Trouble({ node, isCurrent }: { node: NodeView; isCurrent: boolean }) {
  const t = useMessages(details);
  const now = useNow();
  const why = [node.status === "up" ? "" : node.status_reason, node.problem].filter(Boolean).join("; ");
  return (
    <Banner
      tone={node.status === "down" ? "bad" : "warn"}
      title={t.is(node.name, statusOf(node, isCurrent).word)}
    >
      <Sentence text={why} isCapital />.{!isCurrent && ` ${t.wasTrue(formatAge(node.last_seen_ms, now))}`}
    </Banner>
  );
}

/** The version usually names the system too: "Debian GNU/Linux 12 (bookworm)". */
function systemOf({ os_name, os_version }: FactsView): string {
  if (os_version.toLowerCase().includes(os_name.toLowerCase())) return os_version || UNKNOWN;
  return [os_name, os_version].filter(Boolean).join(" ");
}

function placementOf(node: NodeView, nowMs: number): string {
  const t = textsOf(details);
  const until = node.maintenance_until_ms ?? 0;
  if (until > nowMs) return t.awayUntil(formatMoment(until));
  return node.is_draining ? t.isDraining : t.isTaking;
}

function Facts({ node, onContainers }: { node: NodeView } & Pick<HostSheetProps, "onContainers">) {
  const t = useMessages(details);
  const now = useNow();
  const { containers } = node;
  const { facts } = node;
  const rows: [string, ReactNode][] = [
    [t.facts.role, node.is_leader ? `${t.roles[node.role]}, ${t.leader}` : t.roles[node.role]],
    [t.facts.placement, placementOf(node, now)],
    [
      t.facts.containers,
      containers === null ? (
        UNKNOWN
      ) : (
        <span key="containers" className="flex flex-wrap gap-x-3">
          {t.running(containers.running, containers.total)}
          <button
            type="button"
            className="font-medium text-accent hover:underline"
            onClick={() => onContainers(node.name)}
          >
            {t.show}
          </button>
        </span>
      ),
    ],
    [t.facts.lag, node.lag === null ? UNKNOWN : t.entries(node.lag)],
    [
      t.facts.dashboard,
      node.api_address === "" || node.is_self ? (
        node.api_address || UNKNOWN
      ) : (
        <a
          key="link"
          href={`https://${node.api_address}/`}
          className="font-medium text-accent hover:underline"
        >
          {node.api_address}
        </a>
      ),
    ],
    [
      t.facts.labels,
      Object.entries(node.labels)
        .map(([name, value]) => `${name}=${value}`)
        .join(", ") || UNKNOWN,
    ],
    [t.facts.joined, formatMoment(node.joined_at_ms)],
    [t.facts.system, systemOf(facts)],
    [t.facts.kernel, [facts.kernel, facts.arch].filter(Boolean).join(" · ") || UNKNOWN],
    [t.facts.processors, facts.cpu_count > 0 ? formatCount(facts.cpu_count) : UNKNOWN],
    [t.facts.memory, facts.memory_bytes > 0 ? formatSize(facts.memory_bytes) : UNKNOWN],
    [t.facts.disk, facts.disk_bytes > 0 ? formatSize(facts.disk_bytes) : UNKNOWN],
    [t.facts.docker, facts.docker_version || UNKNOWN],
    [t.facts.agent, facts.agent_version || UNKNOWN],
    [
      t.facts.id,
      <code key="id" className="font-mono text-xs break-all">
        {node.id}
      </code>,
    ],
  ];
  return (
    <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-1.5 text-sm">
      {rows.map(([term, value]) => (
        <div key={term} className="contents">
          <dt className="text-muted">{term}</dt>
          <dd className="tabular min-w-0">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
