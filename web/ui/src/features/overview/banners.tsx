import { useQuery } from "@tanstack/react-query";
import { useLiveStatus, useReconnect } from "@/api/live";
import type { ClusterView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { clusterQuery } from "@/api/queries";
import { Banner } from "@/components/banner";
import { Button } from "@/components/ui/button";
import { serverTimeOf, useNow } from "@/lib/clock";
import { formatDuration } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { banners } from "./banner-messages";

/** A host this far behind shows a past state: the leader speaks several times a second. */
const BEHIND_MS = 5_000;
const OTHERS_MAX = 4;
/** A connection that comes back at once is not worth a word. */
const LOST_MS = 3_000;

/** What holds for all of the page: no quorum, a full disk, data that is old. */
export function Banners() {
  const t = useMessages(banners);
  const can = useCan();
  const { data: cluster, dataUpdatedAt } = useQuery({ ...clusterQuery, enabled: can("cluster.read") });
  return (
    <div className="flex flex-col gap-3 empty:hidden">
      <LostConnection cluster={cluster} readAtMs={dataUpdatedAt} />
      {cluster !== undefined && <NoQuorum cluster={cluster} />}
      {cluster?.disk_full != null && (
        <Banner tone="bad" title={t.diskFull}>
          {cluster.disk_full} {t.diskFullNote}
        </Banner>
      )}
      {cluster !== undefined && <Behind cluster={cluster} readAtMs={dataUpdatedAt} />}
    </div>
  );
}

function NoQuorum({ cluster }: { cluster: ClusterView }) {
  const t = useMessages(banners);
  const { quorum } = cluster;
  const hasMajority = 2 * quorum.healthy > quorum.voters;
  if (cluster.leader_id !== null && hasMajority) return null;
  if (hasMajority) {
    return (
      <Banner tone="warn" title={t.noLeader}>
        {t.noLeaderNote}
      </Banner>
    );
  }
  const needed = Math.floor(quorum.voters / 2) + 1;
  return (
    <Banner tone="bad" title={t.noQuorum}>
      {t.noQuorumNote(quorum.healthy, quorum.voters, needed)} <code className="font-mono">tower recover</code>
    </Banner>
  );
}

function Behind({ cluster, readAtMs }: { cluster: ClusterView; readAtMs: number }) {
  const t = useMessages(banners);
  const now = useNow();
  const { age_ms: ageMs } = cluster;
  if (ageMs === null || ageMs < BEHIND_MS || cluster.leader_id === null) return null;
  const name = cluster.nodes.find((node) => node.is_self)?.name ?? t.thisHost;
  const behindMs = ageMs + Math.max(0, now - serverTimeOf(readAtMs));
  return (
    <Banner tone="warn" title={t.behind(name, formatDuration(behindMs))}>
      {t.behindNote}
    </Banner>
  );
}

function LostConnection({ cluster, readAtMs }: { cluster: ClusterView | undefined; readAtMs: number }) {
  const t = useMessages(banners);
  const status = useLiveStatus();
  const reconnect = useReconnect();
  const now = useNow();
  if (status.phase === "open" || status.lostAtMs === null) return null;
  const lostMs = now - serverTimeOf(status.lostAtMs);
  if (lostMs < LOST_MS) return null;
  const lost = formatDuration(lostMs);
  const wait = status.phase === "waiting" ? serverTimeOf(status.retryAtMs) - now : 0;
  // Asked in the ordinary way it would have answered by now.
  const isSilent = readAtMs < status.lostAtMs;
  const self = cluster?.nodes.find((node) => node.is_self);
  return (
    <Banner
      tone={isSilent ? "bad" : "warn"}
      title={isSilent ? t.silent(self?.name ?? t.thisHost) : t.notLive(lost)}
      action={<Button onClick={reconnect}>{t.reconnect}</Button>}
    >
      <span className="tabular">
        {isSilent ? t.wasTrue(lost) : t.old} {t.nextTry(Math.ceil(wait / 1_000))}
      </span>{" "}
      {isSilent && cluster !== undefined && <OtherHosts cluster={cluster} />}
    </Banner>
  );
}

/** Every host serves this page. */
function OtherHosts({ cluster }: { cluster: ClusterView }) {
  const t = useMessages(banners);
  const others = cluster.nodes.filter(
    (node) => !node.is_self && node.status === "up" && node.api_address !== "",
  );
  if (others.length === 0) return null;
  return (
    <span>
      {t.others}{" "}
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
