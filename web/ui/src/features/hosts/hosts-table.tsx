import { useQuery } from "@tanstack/react-query";
import { Crown, Server } from "lucide-react";
import { type ReactNode, Suspense, useState } from "react";
import type { NodeView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { clusterQuery, metricsQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { RowMenu } from "@/components/row-menu";
import { Empty, Loading } from "@/components/states";
import { Badge, Status } from "@/components/ui/badge";
import { Card, Section } from "@/components/ui/section";
import { useNow } from "@/lib/clock";
import { lazily } from "@/lib/fetched";
import { formatBytes, formatCount, formatMoment, formatPercent, UNKNOWN } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { details } from "./details-messages";
import { type HostVerb, useHostAction, type VerbName, verbsOf } from "./host-actions";
import { isTelling, statusOf } from "./host-status";
import { messages } from "./messages";

const HostWindow = lazily(() => import("./host-windows"));

/** Done at once: they can simply be taken back. */
const AT_ONCE: readonly VerbName[] = ["undrain", "endMaintenance"];
const DANGEROUS: readonly VerbName[] = ["fence", "remove"];

/** Every host with its part in the cluster, and what can be done to it. */
export function HostsTable({ actions, onOpen }: { actions?: ReactNode; onOpen: (nodeId: string) => void }) {
  const t = useMessages(messages);
  const d = useMessages(details);
  const cluster = useQuery(clusterQuery);
  const [asked, setAsked] = useState<{ node: NodeView; verb: VerbName } | null>(null);
  const action = useHostAction();
  const run = (node: NodeView, what: HostVerb) =>
    action.mutate({ node, what }, { onSettled: () => setAsked(null) });
  const choose = (node: NodeView, verb: VerbName) => {
    if (AT_ONCE.includes(verb)) run(node, { verb } as HostVerb);
    else setAsked({ node, verb });
  };
  const nodes = cluster.data?.nodes.filter((node) => node.status !== "left") ?? [];
  return (
    <Section
      title={t.hosts}
      note={cluster.data === undefined ? undefined : formatCount(nodes.length)}
      actions={actions}
    >
      {/* Texts for readers are placed within it, or they would widen the page. */}
      <Card className="relative overflow-x-auto">
        <Loaded query={cluster} loading={<Loading label={t.loadingHosts} rows={4} />}>
          {() =>
            nodes.length === 0 ? (
              <Empty icon={<Server className="size-5" />} title={t.noHosts}>
                {t.noHostsNote}
              </Empty>
            ) : (
              <table className="w-full text-sm whitespace-nowrap max-md:hidden">
                <thead>
                  <tr className="border-b border-line text-left text-muted">
                    {(["name", "state", "role", "lag", "containers", "cpu", "memory", "docker"] as const).map(
                      (column) => (
                        <th key={column} scope="col" className="px-4 py-2 font-normal">
                          {d.table[column]}
                        </th>
                      ),
                    )}
                    <th scope="col" className="px-4 py-2">
                      <span className="sr-only">{d.table.actions}</span>
                    </th>
                  </tr>
                </thead>
                <tbody className="divide-y divide-line">
                  {nodes.map((node) => (
                    <Row key={node.id} node={node} onOpen={onOpen} onVerb={choose} />
                  ))}
                </tbody>
              </table>
            )
          }
        </Loaded>
        <ul className="divide-y divide-line md:hidden">
          {nodes.map((node) => (
            <Narrow key={node.id} node={node} onOpen={onOpen} onVerb={choose} />
          ))}
        </ul>
      </Card>
      <Suspense fallback={null}>
        {asked !== null && (
          <HostWindow
            node={asked.node}
            verb={asked.verb}
            isPending={action.isPending}
            onDo={(what) => run(asked.node, what)}
            onClose={() => setAsked(null)}
          />
        )}
      </Suspense>
    </Section>
  );
}

interface RowProps {
  node: NodeView;
  onOpen: (nodeId: string) => void;
  onVerb: (node: NodeView, verb: VerbName) => void;
}

function Row({ node, onOpen, onVerb }: RowProps) {
  const t = useMessages(details);
  const numbers = useNumbers(node);
  return (
    <tr className="hover:bg-hover">
      <th scope="row" className="px-4 py-2.5 text-left font-medium">
        <Name node={node} onOpen={onOpen} />
      </th>
      <td className="px-4 py-2.5">
        <State node={node} />
      </td>
      <td className="px-4 py-2.5">{t.roles[node.role]}</td>
      <td className="tabular px-4 py-2.5">{node.lag === null ? UNKNOWN : t.entries(node.lag)}</td>
      <td className="tabular px-4 py-2.5">{numbers.containers}</td>
      <td className="tabular px-4 py-2.5">{numbers.cpu}</td>
      <td className="tabular px-4 py-2.5">{numbers.memory}</td>
      <td className="tabular px-4 py-2.5 text-muted">{node.facts.docker_version || UNKNOWN}</td>
      <td className="py-1.5 pr-2 text-right">
        <Verbs node={node} onOpen={onOpen} onVerb={onVerb} />
      </td>
    </tr>
  );
}

function Narrow({ node, onOpen, onVerb }: RowProps) {
  const t = useMessages(details);
  const numbers = useNumbers(node);
  return (
    <li className="flex items-start gap-2 px-4 py-2.5 text-sm">
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-x-3 gap-y-1 font-medium">
          <Name node={node} onOpen={onOpen} />
          <State node={node} />
        </p>
        <p className="tabular mt-1 text-muted">
          {t.roles[node.role]} · {t.cpu} {numbers.cpu} · {t.memory} {numbers.memory} · {numbers.containers}{" "}
          {t.containers}
        </p>
      </div>
      <Verbs node={node} onOpen={onOpen} onVerb={onVerb} />
    </li>
  );
}

function Name({ node, onOpen }: Pick<RowProps, "node" | "onOpen">) {
  const t = useMessages(details);
  return (
    <span className="inline-flex items-center gap-2">
      <button type="button" className="hover:underline" onClick={() => onOpen(node.id)}>
        {node.name}
      </button>
      {node.is_leader && (
        <span className="inline-flex items-center gap-1 text-xs text-accent">
          <Crown aria-hidden className="size-3.5" />
          {t.leader}
        </span>
      )}
    </span>
  );
}

function State({ node }: { node: NodeView }) {
  const t = useMessages(details);
  const { data: hosts = [] } = useQuery(metricsQuery);
  const now = useNow();
  const { tone, word } = statusOf(node, isTelling(node, hosts));
  const until = node.maintenance_until_ms ?? 0;
  return (
    <span className="inline-flex items-center gap-2">
      <Status tone={tone} title={serverWords(node.status_reason)}>
        {word}
      </Status>
      {node.is_draining && <Badge tone="warn">{t.draining}</Badge>}
      {until > now && (
        <Badge tone="warn" title={t.awayUntil(formatMoment(until))}>
          {t.away}
        </Badge>
      )}
    </span>
  );
}

function Verbs({ node, onOpen, onVerb }: RowProps) {
  const t = useMessages(details);
  const can = useCan();
  const verbs = verbsOf(node, useNow(), can);
  const itemsOf = (isDangerous: boolean) =>
    verbs
      .filter((verb) => DANGEROUS.includes(verb) === isDangerous)
      .map((verb) => ({
        key: verb,
        label: t.actions[verb],
        isDangerous,
        onSelect: () => onVerb(node, verb),
      }));
  return (
    <RowMenu
      name={node.name}
      groups={[
        [{ key: "open", label: t.actions.open, onSelect: () => onOpen(node.id) }],
        itemsOf(false),
        itemsOf(true),
      ]}
    />
  );
}

/** What a host that tells something says now. */
function useNumbers(node: NodeView): { containers: string; cpu: string; memory: string } {
  const { data: hosts = [] } = useQuery(metricsQuery);
  const isCurrent = isTelling(node, hosts);
  const { containers } = node;
  return {
    containers:
      containers === null ? UNKNOWN : `${formatCount(containers.running)}/${formatCount(containers.total)}`,
    cpu: formatPercent(isCurrent ? node.cpu_percent : null),
    memory: formatBytes(isCurrent ? node.memory_bytes : null),
  };
}
