import { useQueries, useQuery } from "@tanstack/react-query";
import { clusterQuery } from "@/api/queries";
import { Meter } from "@/components/meter";
import { Card } from "@/components/ui/section";
import { formatBytes, UNKNOWN } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { diskUsageQuery } from "./resource-queries";

/** What the engine of each host keeps on disk, and how much of its images nobody uses. */
export function DiskUsage() {
  const t = useMessages(messages).disk;
  const { data: cluster } = useQuery(clusterQuery);
  const nodes = cluster?.nodes.filter((node) => node.status !== "left") ?? [];
  const usages = useQueries({ queries: nodes.map((node) => diskUsageQuery(node.id)) });
  return (
    <ul aria-label={t.title} className="mb-4 grid gap-3 sm:grid-cols-2 lg:grid-cols-3">
      {nodes.map((node, index) => {
        const usage = usages[index]?.data;
        const unused = usage?.reclaimable_bytes ?? 0;
        const images = usage?.images_bytes ?? 0;
        return (
          <li key={node.id} aria-label={t.of(node.name)}>
            <Card className="flex h-28 flex-col px-4 py-3 max-sm:h-auto max-sm:gap-1 max-sm:py-2 text-sm">
              <h2 className="font-semibold">{node.name}</h2>
              <dl className="tabular mt-1.5 grid grid-cols-3 gap-x-3 text-muted max-sm:hidden">
                {(
                  [
                    ["images", usage?.images_bytes],
                    ["volumes", usage?.volumes_bytes],
                    ["cache", usage?.build_cache_bytes],
                  ] as const
                ).map(([key, bytes]) => (
                  <div key={key} className="min-w-0">
                    <dt className="truncate text-xs">{t[key]}</dt>
                    <dd className="truncate text-text">
                      {bytes === undefined ? UNKNOWN : formatBytes(bytes)}
                    </dd>
                  </div>
                ))}
              </dl>
              <div className="mt-auto flex items-center gap-2 text-xs text-muted">
                <Meter
                  share={images === 0 ? 0 : Math.min(1, unused / images)}
                  tone="warn"
                  label={`${t.images}: ${t.reclaimable}`}
                  className="flex-1"
                />
                <span className="tabular whitespace-nowrap">
                  {usage === undefined ? t.unknown : `${formatBytes(unused)} ${t.reclaimable}`}
                </span>
              </div>
            </Card>
          </li>
        );
      })}
    </ul>
  );
}
