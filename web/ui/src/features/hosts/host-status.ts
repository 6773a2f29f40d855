import { extendTo, newestMs } from "@/api/metrics";
import type { HostLiveView, NodeView } from "@/api/openapi";
import { HOST_TONES } from "@/components/tones";
import type { Tone } from "@/components/ui/badge";
import { textsOf } from "@/lib/i18n";
import { messages } from "./messages";

/** Hosts sample every 10 s and are asked every 5 s. */
const LATE_MS = 25_000;

/**
 * Whether a host's numbers are of now. The leader may have given it up; and while nobody leads, a host that is gone
 * still counts as up, and only does not answer.
 */
export function isTelling(node: NodeView, hosts: readonly HostLiveView[]): boolean {
  if (node.status !== "up") return false;
  if (node.problem === "") return true;
  const told = hosts.find((each) => each.node_id === node.id);
  return (told?.times_ms.at(-1) ?? 0) > newestMs(hosts) - LATE_MS;
}

/** The last ten minutes of a host. Of one that tells nothing any more they end in a gap, up to where the others are. */
export function courseOf(node: NodeView, hosts: readonly HostLiveView[]): HostLiveView | undefined {
  const told = hosts.find((each) => each.node_id === node.id);
  return told === undefined || isTelling(node, hosts) ? told : extendTo(told, newestMs(hosts));
}

export function statusOf(node: NodeView, isCurrent: boolean): { tone: Tone; word: string } {
  const { statuses } = textsOf(messages);
  return node.status === "up" && !isCurrent
    ? { tone: "warn", word: statuses.silent }
    : { tone: HOST_TONES[node.status], word: statuses[node.status] };
}
