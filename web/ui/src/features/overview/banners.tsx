import { useQuery } from "@tanstack/react-query";
import { useLiveStatus, useReconnect } from "@/api/live";
import type { ClusterView } from "@/api/openapi";
import { clusterQuery } from "@/api/queries";
import { Banner } from "@/components/banner";
import { Button } from "@/components/ui/button";
import { serverTimeOf, useNow } from "@/lib/clock";
import { formatDuration } from "@/lib/format";

/** A host this far behind shows a past state: the leader speaks several times a second. */
const BEHIND_MS = 5_000;
const OTHERS_MAX = 4;
/** A connection that comes back at once is not worth a word. */
const LOST_MS = 3_000;

/** What holds for all of the page: no quorum, a full disk, data that is old. */
export function Banners() {
  const { data: cluster, dataUpdatedAt } = useQuery(clusterQuery);
  return (
    <div className="flex flex-col gap-3 empty:hidden">
      <LostConnection cluster={cluster} readAtMs={dataUpdatedAt} />
      {cluster !== undefined && <NoQuorum cluster={cluster} />}
      {cluster?.disk_full != null && (
        <Banner tone="bad" title="The disk is full">
          {cluster.disk_full} Nothing can be changed from this host until there is room again; reading goes
          on.
        </Banner>
      )}
      {cluster !== undefined && <Behind cluster={cluster} readAtMs={dataUpdatedAt} />}
    </div>
  );
}

function NoQuorum({ cluster }: { cluster: ClusterView }) {
  const { quorum } = cluster;
  const hasMajority = 2 * quorum.healthy > quorum.voters;
  if (cluster.leader_id !== null && hasMajority) return null;
  if (hasMajority) {
    return (
      <Banner tone="warn" title="No leader at the moment">
        The voters are choosing one, which takes a second or two. Changes wait until then.
      </Banner>
    );
  }
  const needed = Math.floor(quorum.voters / 2) + 1;
  return (
    <Banner tone="bad" title="No quorum: nothing can be changed">
      {quorum.healthy} of {quorum.voters} voters can be reached, and {needed} must agree. Containers keep
      running and this page shows the last known state. Bring a lost host back; if none can come back, run{" "}
      <code className="font-mono">tower recover</code> on the host with the newest state.
    </Banner>
  );
}

function Behind({ cluster, readAtMs }: { cluster: ClusterView; readAtMs: number }) {
  const now = useNow();
  const { age_ms: ageMs } = cluster;
  if (ageMs === null || ageMs < BEHIND_MS || cluster.leader_id === null) return null;
  const name = cluster.nodes.find((node) => node.is_self)?.name ?? "This host";
  const behindMs = ageMs + Math.max(0, now - serverTimeOf(readAtMs));
  return (
    <Banner tone="warn" title={`${name} is behind: what you see was true ${formatDuration(behindMs)} ago`}>
      It is not the leader and has not heard from it since. Open the dashboard on another host for the present
      state.
    </Banner>
  );
}

function LostConnection({ cluster, readAtMs }: { cluster: ClusterView | undefined; readAtMs: number }) {
  const status = useLiveStatus();
  const reconnect = useReconnect();
  const now = useNow();
  if (status.phase === "open" || status.lostAtMs === null) return null;
  const lostMs = now - serverTimeOf(status.lostAtMs);
  if (lostMs < LOST_MS) return null;
  const lost = formatDuration(lostMs);
  const wait = status.phase === "waiting" ? serverTimeOf(status.retryAtMs) - now : 0;
  const next = wait > 0 ? `in ${Math.ceil(wait / 1_000)} s` : "now";
  // Asked in the ordinary way it would have answered by now.
  const isSilent = readAtMs < status.lostAtMs;
  const self = cluster?.nodes.find((node) => node.is_self);
  return (
    <Banner
      tone={isSilent ? "bad" : "warn"}
      title={isSilent ? `${self?.name ?? "This host"} does not answer` : `No live connection for ${lost}`}
      action={<Button onClick={reconnect}>Reconnect now</Button>}
    >
      <span className="tabular">
        {isSilent ? `What you see was true ${lost} ago.` : "Numbers may be a few seconds old."} Next try{" "}
        {next}.
      </span>{" "}
      {isSilent && cluster !== undefined && <OtherHosts cluster={cluster} />}
    </Banner>
  );
}

/** Every host serves this page. */
function OtherHosts({ cluster }: { cluster: ClusterView }) {
  const others = cluster.nodes.filter(
    (node) => !node.is_self && node.status === "up" && node.api_address !== "",
  );
  if (others.length === 0) return null;
  return (
    <span>
      The others show the present state:{" "}
      {others.slice(0, OTHERS_MAX).map((node, index) => (
        <span key={node.id}>
          {index > 0 && ", "}
          <a href={`https://${node.api_address}/`} className="font-medium text-accent hover:underline">
            {node.name}
          </a>
        </span>
      ))}
      .
    </span>
  );
}
