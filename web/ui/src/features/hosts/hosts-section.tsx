import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Server } from "lucide-react";
import { useCan } from "@/api/permissions";
import { clusterQuery, metricsQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Empty } from "@/components/states";
import { Card, Section } from "@/components/ui/section";
import { formatCount } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { HostCard } from "./host-card";
import { courseOf, isTelling } from "./host-status";
import { messages } from "./messages";

/** Every host, with its last ten minutes. */
export function HostsSection({ onOpen }: { onOpen: (nodeId: string) => void }) {
  const t = useMessages(messages);
  const cluster = useQuery(clusterQuery);
  const metrics = useQuery(metricsQuery);
  const mayJoin = useCan()("node.join");
  const nodes = cluster.data?.nodes.filter((node) => node.status !== "left") ?? [];
  return (
    <Section title={t.hosts} note={cluster.data === undefined ? undefined : formatCount(nodes.length)}>
      <Loaded
        query={cluster}
        loading={
          <div role="status" aria-label={t.loadingHosts} className="grid gap-3 sm:grid-cols-2 xl:grid-cols-3">
            {["a", "b", "c"].map((key) => (
              <Card key={key} className="animate-breathe h-[192px]">
                {null}
              </Card>
            ))}
          </div>
        }
      >
        {() =>
          nodes.length === 0 ? (
            <Card>
              <Empty icon={<Server className="size-5" />} title={t.noHosts}>
                {t.noHostsNote}
              </Empty>
            </Card>
          ) : (
            <ul className="grid grid-cols-[repeat(auto-fit,minmax(min(18.5rem,100%),1fr))] gap-3">
              {nodes.map((node) => (
                <li key={node.id}>
                  <HostCard
                    node={node}
                    live={courseOf(node, metrics.data ?? [])}
                    isCurrent={isTelling(node, metrics.data ?? [])}
                    onOpen={() => onOpen(node.id)}
                  />
                </li>
              ))}
              {nodes.length === 1 && mayJoin && (
                <li>
                  <JoinHint />
                </li>
              )}
            </ul>
          )
        }
      </Loaded>
    </Section>
  );
}

/** Beside a host that is alone: how a second and a third come in. */
function JoinHint() {
  const t = useMessages(messages);
  return (
    <div className="flex h-full flex-col justify-center gap-2 rounded-lg border border-dashed border-line-strong px-5 py-4">
      <p className="font-medium">{t.alone}</p>
      <p className="text-sm text-muted">{t.aloneNote}</p>
      <p>
        <Link
          to="/cluster"
          search={{ add: true }}
          className="text-sm font-medium text-accent hover:underline"
        >
          {t.addHost}
        </Link>
      </p>
    </div>
  );
}
