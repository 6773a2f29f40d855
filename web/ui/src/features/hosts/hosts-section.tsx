import { useQuery } from "@tanstack/react-query";
import { Server } from "lucide-react";
import { clusterQuery, metricsQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Empty } from "@/components/states";
import { Card, Section } from "@/components/ui/section";
import { plural } from "@/lib/format";
import { HostCard } from "./host-card";

/** Every host, with its last ten minutes. */
export function HostsSection({ onOpen }: { onOpen: (nodeId: string) => void }) {
  const cluster = useQuery(clusterQuery);
  const metrics = useQuery(metricsQuery);
  const nodes = cluster.data?.nodes.filter((node) => node.status !== "left") ?? [];
  return (
    <Section title="Hosts" note={cluster.data === undefined ? undefined : plural(nodes.length, "host")}>
      <Loaded
        query={cluster}
        loading={
          <div role="status" aria-label="Loading hosts" className="grid gap-3 sm:grid-cols-2 xl:grid-cols-3">
            {["a", "b", "c"].map((key) => (
              <Card key={key} className="animate-breathe h-[204px]">
                {null}
              </Card>
            ))}
          </div>
        }
      >
        {() =>
          nodes.length === 0 ? (
            <Card>
              <Empty icon={<Server className="size-5" />} title="No hosts yet">
                Run <code className="font-mono">tower token create</code> here and{" "}
                <code className="font-mono">tower join</code> on the host that is to come in.
              </Empty>
            </Card>
          ) : (
            <ul className="grid grid-cols-[repeat(auto-fill,minmax(min(19rem,100%),1fr))] gap-3">
              {nodes.map((node) => (
                <li key={node.id}>
                  <HostCard
                    node={node}
                    live={metrics.data?.find((each) => each.node_id === node.id)}
                    onOpen={() => onOpen(node.id)}
                  />
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Section>
  );
}
