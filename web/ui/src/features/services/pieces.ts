import type { ContainerView, ServiceView } from "@/api/openapi";
import type { Tone } from "@/components/ui/badge";

/** One replica on a host, as its engine lists it. */
export interface Piece {
  id: string;
  nodeId: string;
  name: string;
  revision: number;
  tone: Tone;
  words: string;
}

export interface HostPieces {
  host: string;
  pieces: readonly Piece[];
}

/** The containers of each service, by the service's id. */
export function byService(containers: readonly ContainerView[]): Map<string, ContainerView[]> {
  const found = new Map<string, ContainerView[]>();
  for (const container of containers) {
    if (!container.is_managed) continue;
    const known = found.get(container.service);
    if (known === undefined) found.set(container.service, [container]);
    else known.push(container);
  }
  return found;
}

/**
 * A service's replicas, host by host. Hosts it should be on come with nothing when nothing of it runs there. Old
 * containers that have ended are left out: they wait to be removed, and are no replicas.
 */
export function piecesOf(
  service: Pick<ServiceView, "nodes">,
  containers: readonly ContainerView[],
): HostPieces[] {
  const hosts = new Map<string, Piece[]>(service.nodes.map((host) => [host, []]));
  for (const container of containers) {
    if (container.state === "exited" && !service.nodes.includes(container.node_name)) continue;
    const pieces = hosts.get(container.node_name) ?? [];
    pieces.push(pieceOf(container));
    hosts.set(container.node_name, pieces);
  }
  return [...hosts]
    .map(([host, pieces]) => ({
      host,
      pieces: pieces.sort((a, b) => a.revision - b.revision || (a.name < b.name ? -1 : 1)),
    }))
    .sort((a, b) => (a.host < b.host ? -1 : 1));
}

function pieceOf(container: ContainerView): Piece {
  return {
    id: container.id,
    nodeId: container.node_id,
    name: container.name,
    revision: container.revision,
    tone: toneOf(container),
    words: container.status,
  };
}

function toneOf({ state, health, age_ms }: ContainerView): Tone {
  if (age_ms !== null && age_ms > OLD_MS) return "neutral";
  if (state === "running") return health === "unhealthy" ? "bad" : health === "starting" ? "accent" : "ok";
  return state === "created" || state === "restarting" ? "warn" : "bad";
}

/** What is older was not seen lately: nothing is known of it now. */
const OLD_MS = 30_000;
