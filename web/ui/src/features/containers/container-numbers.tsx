import { useQuery } from "@tanstack/react-query";
import { seriesOf } from "@/api/metrics";
import type { ContainerView } from "@/api/openapi";
import { metricsQuery } from "@/api/queries";
import { Sparkline } from "@/components/sparkline";
import { formatPercent } from "@/lib/format";

/** CPU now, and its last ten minutes. A container that uses less than a tenth of a core draws a low line. */
export function CpuCell({ container }: { container: ContainerView }) {
  const { data: series } = useQuery({
    ...metricsQuery,
    select: (hosts) =>
      seriesOf(
        hosts.find((host) => host.node_id === container.node_id),
        container.id,
        "cpu_percent",
      ),
  });
  const now = container.cpu_percent;
  return (
    <span className="tabular inline-flex items-center justify-end gap-2 align-middle">
      {series !== undefined && (
        <Sparkline
          values={series.values}
          topMin={10}
          label={`CPU over the last ten minutes, now ${formatPercent(now)}`}
          className="h-4 w-10 text-series-1 sm:w-14"
        />
      )}
      <span className="min-w-[6ch]">{formatPercent(now)}</span>
    </span>
  );
}
