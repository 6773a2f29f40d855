import { useQuery } from "@tanstack/react-query";
import { seriesOf } from "@/api/metrics";
import type { ContainerView } from "@/api/openapi";
import { metricsQuery } from "@/api/queries";
import { Sparkline } from "@/components/sparkline";
import { formatPercent } from "@/lib/format";

/** CPU now, and its last ten minutes. */
export function CpuCell({ container }: { container: ContainerView }) {
  return (
    <span className="tabular inline-flex items-center justify-end gap-2 align-middle">
      <CpuCourse container={container} />
      <span className="min-w-[6ch]">{formatPercent(container.cpu_percent)}</span>
    </span>
  );
}

/** The last ten minutes of CPU. A container that uses less than a tenth of a core draws a low line. */
export function CpuCourse({ container }: { container: ContainerView }) {
  const { data: series } = useQuery({
    ...metricsQuery,
    select: (hosts) =>
      seriesOf(
        hosts.find((host) => host.node_id === container.node_id),
        container.id,
        "cpu_percent",
      ),
  });
  if (series === undefined) return null;
  return (
    <Sparkline
      values={series.values}
      topMin={10}
      label={`CPU over the last ten minutes, now ${formatPercent(container.cpu_percent)}`}
      className="h-4 w-14 shrink-0 text-series-1"
    />
  );
}
