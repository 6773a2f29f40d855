import { extendTo, newestMs } from "@/api/metrics";
import type { HostLiveView, NodeView } from "@/api/openapi";
import type { Tone } from "@/components/ui/badge";

const WORDS: Record<NodeView["status"], { tone: Tone; word: string }> = {
  up: { tone: "ok", word: "up" },
  suspect: { tone: "warn", word: "suspect" },
  down: { tone: "bad", word: "down" },
  left: { tone: "neutral", word: "left" },
};

/** Whether what it told last is of now: the leader has not given it up, and this host can ask it. */
export function isTelling(node: NodeView): boolean {
  return node.status === "up" && node.problem === "";
}

/** The last ten minutes of a host. Of one that tells nothing any more they end in a gap, up to where the others are. */
export function courseOf(node: NodeView, hosts: readonly HostLiveView[]): HostLiveView | undefined {
  const told = hosts.find((each) => each.node_id === node.id);
  return told === undefined || isTelling(node) ? told : extendTo(told, newestMs(hosts));
}

export function statusOf(node: NodeView): { tone: Tone; word: string } {
  return WORDS[node.status];
}
