import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { ClusterView, NodeView } from "@/api/openapi";
import { clusterQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Status, type Tone } from "@/components/ui/badge";
import { Card } from "@/components/ui/section";
import { formatCount, shortId } from "@/lib/format";

/** The cluster in one line: who leads, and how much may fail. */
export function ClusterLine() {
  const query = useQuery(clusterQuery);
  return (
    <section aria-label="Cluster">
      <Card>
        <Loaded
          query={query}
          loading={<div role="status" aria-label="Loading the cluster" className="h-[62px]" />}
        >
          {(cluster) => <Facts cluster={cluster} />}
        </Loaded>
      </Card>
    </section>
  );
}

function Facts({ cluster }: { cluster: ClusterView }) {
  const members = cluster.nodes.filter((node) => node.status !== "left");
  const up = members.filter((node) => node.status === "up" && node.problem === "").length;
  const leader = members.find((node) => node.id === cluster.leader_id);
  const { quorum } = cluster;
  const self = members.find((node) => node.is_self);
  return (
    <dl className="grid grid-cols-2 gap-x-6 gap-y-3 px-4 py-3 sm:flex sm:flex-wrap sm:gap-x-8 lg:gap-x-10">
      <Fact term="Leader">
        {leader === undefined ? (
          <Status tone="bad">none</Status>
        ) : (
          <span className="font-medium">{leader.name}</span>
        )}
        <span className="tabular ml-2 text-sm text-muted" title="Rises with every election">
          term {formatCount(cluster.term)}
        </span>
      </Fact>
      <Fact term="Hosts">
        <Status tone={up === members.length ? "ok" : "bad"}>
          <span className="tabular">
            {formatCount(up)} of {formatCount(members.length)} up
          </span>
        </Status>
      </Fact>
      <Fact term="Containers">
        <Containers members={members} />
      </Fact>
      <Fact term="Voters">
        <Status tone={quorumTone(cluster)}>
          <span className="tabular">
            {formatCount(quorum.healthy)} of {formatCount(quorum.voters)} healthy
          </span>
        </Status>
      </Fact>
      <Fact term="Resilience" className="col-span-2 sm:max-w-[60ch]">
        <span className="inline-block text-pretty first-letter:uppercase">{quorum.advice}</span>
      </Fact>
      <Fact term="Shown by" className="col-span-2 sm:ml-auto">
        {self?.name ?? shortId(cluster.node_id)}
        <span className="tabular ml-2 text-sm text-muted">version {cluster.version}</span>
      </Fact>
    </dl>
  );
}

/** Those of hosts that answer; what is known of the others is old. */
function Containers({ members }: { members: readonly NodeView[] }) {
  const telling = members.filter((node) => node.status !== "down" && node.problem === "");
  const sum = (nodes: readonly NodeView[], key: "running" | "total") =>
    nodes.reduce((count, node) => count + (node.containers?.[key] ?? 0), 0);
  const total = sum(telling, "total");
  const unknown = sum(members, "total") - total;
  return (
    <span className="tabular">
      {total === 0 ? "none" : `${formatCount(sum(telling, "running"))} of ${formatCount(total)} running`}
      {unknown > 0 && <span className="ml-2 text-sm text-muted">{formatCount(unknown)} out of sight</span>}
    </span>
  );
}

function Fact({ term, className = "", children }: { term: string; className?: string; children: ReactNode }) {
  return (
    <div className={`min-w-0 ${className}`}>
      <dt className="text-xs text-muted">{term}</dt>
      <dd className="mt-0.5 min-w-0">{children}</dd>
    </div>
  );
}

function quorumTone({ quorum }: ClusterView): Tone {
  if (2 * quorum.healthy <= quorum.voters) return "bad";
  return quorum.healthy < quorum.voters || quorum.can_lose === 0 ? "warn" : "ok";
}
