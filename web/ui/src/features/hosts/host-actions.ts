import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { ClusterView, DrainForecastView, NodeView } from "@/api/openapi";
import { clusterQuery } from "@/api/queries";
import { showDone } from "@/components/ui/toast-store";
import { textsOf } from "@/lib/i18n";
import { details } from "./details-messages";

/** What can be done to a host. */
export type HostVerb =
  | { verb: "drain" }
  | { verb: "undrain" }
  | { verb: "maintain"; minutes: number; reason: string }
  | { verb: "endMaintenance" }
  | { verb: "labels"; put: Record<string, string>; remove: string[] }
  | { verb: "lead" }
  | { verb: "fence" }
  | { verb: "remove" };

export type VerbName = HostVerb["verb"];

const PERMISSIONS: Record<VerbName, string> = {
  drain: "node.drain",
  undrain: "node.drain",
  maintain: "node.maintain",
  endMaintenance: "node.maintain",
  labels: "node.label",
  lead: "cluster.transfer-leadership",
  fence: "node.fence",
  remove: "node.remove",
};

/** What makes sense for a host as it is, and this person may do. */
export function verbsOf(node: NodeView, nowMs: number, can: (action: string) => boolean): VerbName[] {
  const isAway = (node.maintenance_until_ms ?? 0) > nowMs;
  const sensible: VerbName[] = [
    node.is_draining ? "undrain" : "drain",
    isAway ? "endMaintenance" : "maintain",
    "labels",
  ];
  if (node.role === "voter" && !node.is_leader && node.status === "up") sensible.push("lead");
  if (node.status === "down" && !node.is_fenced) sensible.push("fence");
  if (!node.is_self) sensible.push("remove");
  return sensible.filter((verb) => can(PERMISSIONS[verb]));
}

/** What draining a host would move, and what would stay. */
export const drainForecastQuery = (nodeId: string) =>
  queryOptions({
    queryKey: ["drain-forecast", nodeId],
    queryFn: ({ signal }) =>
      request<DrainForecastView>(`/nodes/${encodeURIComponent(nodeId)}/drain-forecast`, { signal }),
    staleTime: 0,
  });

export interface HostRequest {
  node: NodeView;
  what: HostVerb;
}

/** Do it, and say so; draining can be taken back at once. */
export function useHostAction() {
  const client = useQueryClient();
  const action = useMutation({
    mutationFn: ({ node, what }: HostRequest) => send(node, what),
    onSuccess: (_, { node, what }) => {
      const t = textsOf(details);
      const isTurned = what.verb === "drain" || what.verb === "undrain";
      const back = { node, what: { verb: what.verb === "drain" ? "undrain" : "drain" } } as const;
      showDone(
        doneOf(what.verb, node.name),
        "",
        isTurned ? { label: t.undo, run: () => action.mutate(back) } : undefined,
      );
    },
    onSettled: () => client.invalidateQueries({ queryKey: clusterQuery.queryKey }),
  });
  return action;
}

function send(node: NodeView, what: HostVerb): Promise<NodeView | ClusterView | undefined> {
  const path = `/nodes/${encodeURIComponent(node.id)}`;
  const post = (tail: string, body?: unknown) =>
    request<NodeView>(`${path}/${tail}`, { method: "POST", body });
  switch (what.verb) {
    case "drain":
    case "undrain":
      return post("drain", { draining: what.verb === "drain" });
    case "maintain":
      return post("maintenance", { duration_s: what.minutes * 60, reason: what.reason });
    case "endMaintenance":
      return post("maintenance", { duration_s: 0, reason: "" });
    case "labels":
      return post("labels", { put: what.put, remove: what.remove });
    case "lead":
      return request<ClusterView>("/cluster/transfer", { method: "POST", body: { node_id: node.id } });
    case "fence":
      return post("fence");
    case "remove":
      return request<undefined>(path, { method: "DELETE" });
  }
}

function doneOf(verb: VerbName, host: string): string {
  const t = textsOf(details);
  switch (verb) {
    case "drain":
      return t.drained(host);
    case "undrain":
      return t.undrained(host);
    case "maintain":
      return t.maintained(host);
    case "endMaintenance":
      return t.maintenanceEnded(host);
    case "labels":
      return t.saved(host);
    case "lead":
      return t.led(host);
    case "fence":
      return t.fenced(host);
    case "remove":
      return t.removed(host);
  }
}
