import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense } from "react";
import { HOST_SUBJECT, latest, seriesOf } from "@/api/metrics";
import type { FactsView, NodeView } from "@/api/openapi";
import { clusterQuery, metricsQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Sheet } from "@/components/ui/sheet";
import { useNow } from "@/lib/clock";
import { formatAge, formatBytes, formatCount, formatPercent, formatSize, UNKNOWN } from "@/lib/format";
import { statusOf } from "./host-status";

const Chart = lazy(() => import("@/components/chart"));

/** One host: its courses with axes, and what it says of itself. */
export default function HostSheet({ nodeId, onClose }: { nodeId: string; onClose: () => void }) {
  const cluster = useQuery(clusterQuery);
  const node = cluster.data?.nodes.find((each) => each.id === nodeId);
  return (
    <Sheet
      title={node?.name ?? "Host"}
      description={node === undefined ? nodeId : `${node.role} · ${node.address}`}
      actions={node !== undefined && <Badge tone={statusOf(node).tone}>{statusOf(node).word}</Badge>}
      onClose={onClose}
    >
      <div className="min-h-0 flex-1 overflow-y-auto">
        <Loaded query={cluster} loading={<Loading label="Loading the host" />}>
          {() =>
            node === undefined ? (
              <Empty icon="?" title="No such host">
                It may have left the cluster.
              </Empty>
            ) : (
              <Details node={node} />
            )
          }
        </Loaded>
      </div>
    </Sheet>
  );
}

function Details({ node }: { node: NodeView }) {
  const metrics = useQuery(metricsQuery);
  const live = metrics.data?.find((each) => each.node_id === node.id);
  const memoryLimit = latest(seriesOf(live, HOST_SUBJECT, "memory_limit_bytes")) ?? node.facts.memory_bytes;
  return (
    <div className="flex flex-col gap-6 p-4">
      {node.status !== "up" && node.status_reason !== "" && (
        <p className="rounded-md bg-hover px-3 py-2 text-sm">{node.status_reason}</p>
      )}
      <Loaded query={metrics} loading={<Loading label="Loading the last ten minutes" rows={8} />}>
        {() =>
          live === undefined || live.times_ms.length === 0 ? (
            <p className="text-sm text-muted">No numbers of the last ten minutes from this host.</p>
          ) : (
            <Suspense fallback={<Loading label="Loading the charts" rows={8} />}>
              <Chart
                title="CPU"
                timesMs={live.times_ms}
                values={seriesOf(live, HOST_SUBJECT, "cpu_percent")?.values ?? []}
                top={100}
                format={formatPercent}
                color="--series-1"
                syncKey="host"
              />
              <Chart
                title="Memory"
                timesMs={live.times_ms}
                values={seriesOf(live, HOST_SUBJECT, "memory_bytes")?.values ?? []}
                top={memoryLimit || null}
                format={formatBytes}
                color="--series-2"
                syncKey="host"
              />
            </Suspense>
          )
        }
      </Loaded>
      <Facts node={node} />
    </div>
  );
}

/** The version usually names the system too: "Debian GNU/Linux 12 (bookworm)". */
function systemOf({ os_name, os_version }: FactsView): string {
  if (os_version.toLowerCase().includes(os_name.toLowerCase())) return os_version || UNKNOWN;
  return [os_name, os_version].filter(Boolean).join(" ");
}

function Facts({ node }: { node: NodeView }) {
  const now = useNow();
  const { facts } = node;
  const rows: [string, ReactNode][] = [
    ["Role", node.is_leader ? `${node.role}, leader` : node.role],
    ["Placement", node.is_draining ? "draining: no new replicas come here" : "takes new replicas"],
    ["Seen", formatAge(node.last_seen_ms, now)],
    ["Behind by", node.lag === null ? UNKNOWN : `${formatCount(node.lag)} entries`],
    [
      "Dashboard",
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
    ["System", systemOf(facts)],
    ["Kernel", [facts.kernel, facts.arch].filter(Boolean).join(" · ") || UNKNOWN],
    ["Processors", facts.cpu_count > 0 ? formatCount(facts.cpu_count) : UNKNOWN],
    ["Memory", facts.memory_bytes > 0 ? formatSize(facts.memory_bytes) : UNKNOWN],
    ["Disk", facts.disk_bytes > 0 ? formatSize(facts.disk_bytes) : UNKNOWN],
    ["Docker", facts.docker_version || UNKNOWN],
    ["Agent", facts.agent_version || UNKNOWN],
    [
      "Id",
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
