import type { ContainerView, UptimeView } from "@/api/openapi";
import type { Tone } from "@/components/ui/badge";

export interface GroupStanding {
  tone: Tone;
  /** Containers that run and are not unhealthy. */
  healthy: number;
  total: number;
}

/** How a group is now. Containers that ended well, such as jobs, are none of it. */
export function standingOf(group: UptimeView, containers: readonly ContainerView[]): GroupStanding {
  const members = containers.filter(
    (each) =>
      (group.kind === "project"
        ? each.project === group.name
        : each.project === "" && each.node_name === group.name) && !hasEndedWell(each),
  );
  const healthy = members.filter((each) => each.state === "running" && each.health !== "unhealthy").length;
  const total = members.length;
  if (total === 0) return { tone: "neutral", healthy, total };
  return { tone: healthy === total ? "ok" : healthy === 0 ? "bad" : "warn", healthy, total };
}

function hasEndedWell({ state, status }: ContainerView): boolean {
  return state === "exited" && /\(0\)/.test(status);
}

/** Of a share of the time, 0 to 1. */
export function toneOf(share: number): Tone {
  if (share >= 0.9999) return "ok";
  return share >= 0.9 ? "warn" : "bad";
}
