import type { QueryClient } from "@tanstack/react-query";
import { pastAlertsQuery } from "./alerts";
import type { LiveMessage } from "./live-messages";
import { mergeLive, newestOf } from "./metrics";
import type { AlertView, ContainerView, HostLiveView, RolloutView, ServiceView } from "./openapi";
import { openPlansQuery, PLANS_KEY } from "./plans";
import { isStatus } from "./problem";
import {
  clusterQuery,
  containerKey,
  containersQuery,
  lateAlertsQuery,
  metricsQuery,
  openAlertsQuery,
  rolloutsQuery,
  servicesQuery,
} from "./queries";

const LIVE_QUERIES = [
  clusterQuery,
  containersQuery,
  servicesQuery,
  rolloutsQuery,
  metricsQuery,
  openAlertsQuery,
  lateAlertsQuery,
  openPlansQuery,
] as const;

/** Put what a live message brings into the cache, the one place where the server's state is kept. */
export function applyLive(client: QueryClient, message: LiveMessage): void {
  switch (message.topic) {
    case "cluster":
      replace(client, clusterQuery.queryKey, message.data);
      return;
    case "metrics":
      client.setQueryData(metricsQuery.queryKey, (known) => mergeLive(known ?? [], message.data));
      applyNumbers(client, message.data);
      return;
    case "alerts":
      if ("data" in message) replace(client, openAlertsQuery.queryKey, newestFirst(message.data.items));
      else client.setQueryData(openAlertsQuery.queryKey, (known) => known && mergeAlerts(known, message));
      // Of an alert that is over only its number is told; pages that show those ask for the rest.
      for (const { queryKey } of [lateAlertsQuery, pastAlertsQuery]) {
        void client.invalidateQueries({ queryKey }, { cancelRefetch: false });
      }
      return;
    case "plans":
      // What somebody may do about a plan is not told: pages that show one ask.
      void client.invalidateQueries({ queryKey: PLANS_KEY }, { cancelRefetch: false });
      return;
    case "services":
      if ("data" in message) {
        replace(client, servicesQuery.queryKey, message.data.items);
        mergeRollouts(client, message.data.rollouts);
      } else {
        client.setQueryData(servicesQuery.queryKey, (known) => known && mergeServices(known, message));
        mergeRollouts(client, message.rollouts);
      }
      return;
    case "containers":
      if ("data" in message) {
        const { items, problems } = message.data;
        replace(client, containersQuery.queryKey, { containers: items, problems });
      } else {
        client.setQueryData(
          containersQuery.queryKey,
          (known) =>
            known && { containers: mergeContainers(known.containers, message), problems: message.problems },
        );
      }
  }
}

/** Ask again for everything a live connection would tell, but for what this person may not see. */
export function refreshAll(client: QueryClient): void {
  for (const { queryKey } of LIVE_QUERIES) {
    void client.invalidateQueries(
      { queryKey, predicate: ({ state }) => !isStatus(state.error, 403) },
      // A slow answer is waited for: asked anew each time, it would never come.
      { cancelRefetch: false },
    );
  }
}

/** An answer that is still under way would be older than this. */
function replace(client: QueryClient, queryKey: readonly unknown[], data: unknown): void {
  void client.cancelQueries({ queryKey });
  client.setQueryData(queryKey, data);
}

function newestFirst(alerts: readonly AlertView[]): AlertView[] {
  return [...alerts].sort((one, other) => other.number - one.number);
}

function mergeAlerts(
  known: readonly AlertView[],
  news: { changed: readonly AlertView[]; removed: readonly number[] },
): AlertView[] {
  const byNumber = new Map(known.map((alert) => [alert.number, alert]));
  for (const alert of news.changed) byNumber.set(alert.number, alert);
  for (const number of news.removed) byNumber.delete(number);
  return newestFirst([...byNumber.values()]);
}

function mergeServices(
  known: readonly ServiceView[],
  news: { changed: readonly ServiceView[]; removed: readonly string[] },
): ServiceView[] {
  const byId = new Map(known.map((service) => [service.id, service]));
  for (const service of news.changed) byId.set(service.id, service);
  for (const id of news.removed) byId.delete(id);
  return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

function mergeRollouts(client: QueryClient, news: readonly RolloutView[]): void {
  client.setQueryData(rolloutsQuery.queryKey, (known) => {
    const byId = new Map((known ?? []).map((rollout) => [rollout.id, rollout]));
    for (const rollout of news) byId.set(rollout.id, rollout);
    return [...byId.values()].sort((a, b) => b.started_at_ms - a.started_at_ms);
  });
}

function mergeContainers(
  known: readonly ContainerView[],
  news: { changed: readonly ContainerView[]; removed: readonly { node_id: string; id: string }[] },
): ContainerView[] {
  const byKey = new Map(known.map((container) => [containerKey(container), container]));
  for (const container of news.changed) byKey.set(containerKey(container), container);
  for (const gone of news.removed) byKey.delete(containerKey(gone));
  return [...byKey.values()];
}

/** The numbers of containers come with the metrics alone; those that did not move keep their object. */
function applyNumbers(client: QueryClient, hosts: readonly HostLiveView[]): void {
  const numbers = newestOf(hosts);
  client.setQueryData(
    containersQuery.queryKey,
    (known) =>
      known && {
        ...known,
        containers: known.containers.map((container) => {
          const now = numbers.get(container.id);
          if (now === undefined) return container;
          const cpu_percent = now.cpu_percent ?? container.cpu_percent;
          const memory_bytes = now.memory_bytes ?? container.memory_bytes;
          const isSame = cpu_percent === container.cpu_percent && memory_bytes === container.memory_bytes;
          return isSame ? container : { ...container, cpu_percent, memory_bytes };
        }),
      },
  );
}
