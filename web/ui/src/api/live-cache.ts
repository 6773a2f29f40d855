import type { QueryClient } from "@tanstack/react-query";
import type { LiveMessage, Topic } from "./live-connection";
import { mergeLive } from "./metrics";
import type { ClusterView, HostLiveView } from "./openapi";
import { clusterQuery, containersQuery, metricsQuery, rolloutsQuery, servicesQuery } from "./queries";

const QUERIES: Record<Topic, readonly (readonly unknown[])[]> = {
  cluster: [clusterQuery.queryKey],
  containers: [containersQuery.queryKey],
  services: [servicesQuery.queryKey, rolloutsQuery.queryKey],
  metrics: [metricsQuery.queryKey],
};

/** Put what a live message brings into the cache, or have the queries it touches asked again. */
export function applyLive(client: QueryClient, message: LiveMessage): void {
  if (message.data !== undefined && message.topic === "cluster") {
    client.setQueryData(clusterQuery.queryKey, message.data as ClusterView);
    return;
  }
  if (message.data !== undefined && message.topic === "metrics") {
    client.setQueryData(metricsQuery.queryKey, (known) =>
      mergeLive(known ?? [], message.data as HostLiveView[]),
    );
    return;
  }
  for (const queryKey of QUERIES[message.topic]) void client.invalidateQueries({ queryKey });
}

/** After the connection was away: everything it could have told about is asked again. */
export function refreshAll(client: QueryClient): void {
  for (const keys of Object.values(QUERIES)) {
    for (const queryKey of keys) void client.invalidateQueries({ queryKey });
  }
}
