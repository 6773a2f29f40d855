import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { ClusterView, NodeView } from "@/api/openapi";
import { clusterQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Status, type Tone } from "@/components/ui/badge";
import { Card } from "@/components/ui/section";
import { shortId } from "@/lib/format";
import { translated, useMessages } from "@/lib/i18n";
import { messages } from "./messages";

/** The cluster in one line: who leads, and how much may fail. */
export function ClusterLine() {
  const t = useMessages(messages);
  const query = useQuery(clusterQuery);
  return (
    <section aria-label={t.cluster}>
      <Card>
        <Loaded
          query={query}
          loading={<div role="status" aria-label={t.loadingCluster} className="h-[62px]" />}
        >
          {(cluster) => <Facts cluster={cluster} />}
        </Loaded>
      </Card>
    </section>
  );
}

function Facts({ cluster }: { cluster: ClusterView }) {
  const t = useMessages(messages);
  const members = cluster.nodes.filter((node) => node.status !== "left");
  const up = members.filter((node) => node.status === "up" && node.problem === "").length;
  const leader = members.find((node) => node.id === cluster.leader_id);
  const { quorum } = cluster;
  const self = members.find((node) => node.is_self);
  return (
    <dl className="grid grid-cols-2 gap-x-6 gap-y-3 px-4 py-3 sm:flex sm:flex-wrap sm:gap-x-8 lg:gap-x-10">
      <Fact term={t.leader}>
        {leader === undefined ? (
          <Status tone="bad">{t.none}</Status>
        ) : (
          <span className="font-medium">{leader.name}</span>
        )}
        <span className="tabular ml-2 text-sm text-muted" title={t.termNote}>
          {t.term(cluster.term)}
        </span>
      </Fact>
      <Fact term={t.hosts}>
        <Status tone={up === members.length ? "ok" : "bad"}>
          <span className="tabular">{t.hostsUp(up, members.length)}</span>
        </Status>
      </Fact>
      <Fact term={t.containers}>
        <Containers members={members} />
      </Fact>
      <Fact term={t.voters}>
        <Status tone={quorumTone(cluster)}>
          <span className="tabular">{t.healthy(quorum.healthy, quorum.voters)}</span>
        </Status>
      </Fact>
      <Fact term={t.resilience} className="col-span-2 sm:max-w-[60ch]">
        <span className="inline-block text-pretty first-letter:uppercase">
          {translated(quorum.advice, quorum.translations)}
        </span>
      </Fact>
      <Fact term={t.shownBy} className="col-span-2 sm:ml-auto">
        {self?.name ?? shortId(cluster.node_id)}
        <span className="tabular ml-2 text-sm text-muted">{t.version(cluster.version)}</span>
      </Fact>
    </dl>
  );
}

/** Those of hosts that answer; what is known of the others is old. */
function Containers({ members }: { members: readonly NodeView[] }) {
  const t = useMessages(messages);
  const telling = members.filter((node) => node.status !== "down" && node.problem === "");
  const sum = (nodes: readonly NodeView[], key: "running" | "total") =>
    nodes.reduce((count, node) => count + (node.containers?.[key] ?? 0), 0);
  const total = sum(telling, "total");
  const unknown = sum(members, "total") - total;
  return (
    <span className="tabular">
      {t.running(sum(telling, "running"), total)}
      {unknown > 0 && <span className="ml-2 text-sm text-muted">{t.outOfSight(unknown)}</span>}
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
