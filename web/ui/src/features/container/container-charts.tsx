import { useQueries, useQuery } from "@tanstack/react-query";
import { ChartLine as ChartIcon } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { extendTo, newestMs, seriesOf } from "@/api/metrics";
import { historyQuery } from "@/api/observing";
import type { ContainerView, HostLiveView } from "@/api/openapi";
import { metricsQuery } from "@/api/queries";
import { ChartSkeleton, LazyTimeChart } from "@/components/lazy-time-chart";
import { Empty, Failed } from "@/components/states";
import type { ChartLine } from "@/components/time-chart-data";
import { serverNow } from "@/lib/clock";
import { useMessages } from "@/lib/i18n";
import { metricName } from "@/lib/metric-names";
import { type Preset, spanOf, type TimeRange } from "@/lib/time-range";
import { messages } from "./messages";

const CHARTS = [
  { key: "cpu", metrics: ["cpu_percent"], unit: "percent" },
  { key: "memory", metrics: ["memory_bytes"], unit: "bytes" },
  { key: "network", metrics: ["rx_bytes_per_s", "tx_bytes_per_s"], unit: "bytes/s" },
  { key: "disk", metrics: ["read_bytes_per_s", "write_bytes_per_s"], unit: "bytes/s" },
] as const;
type ChartKey = (typeof CHARTS)[number]["key"];

const HEIGHT = 150;
const POINTS = 240;
const RENEW_MS = 30_000;
/** The last ten minutes are at hand, and renewed as they are measured. */
export const LIVE: Preset = "10m";

interface Drawn {
  timesMs: readonly number[];
  lines: ChartLine[];
}

interface ContainerChartsProps {
  container: ContainerView;
  span: Preset;
}

export function ContainerCharts({ container, span }: ContainerChartsProps) {
  return span === LIVE ? (
    <LiveCharts container={container} />
  ) : (
    <HistoryCharts container={container} span={span} />
  );
}

function LiveCharts({ container }: { container: ContainerView }) {
  const t = useMessages(messages);
  const metrics = useQuery(metricsQuery);
  const host = useMemo(
    () => windowOf(metrics.data ?? [], container.node_id),
    [metrics.data, container.node_id],
  );
  const timesMs = host?.times_ms ?? [];
  const endMs = timesMs.at(-1) ?? serverNow();
  const range = { startMs: endMs - spanOf(LIVE), endMs };
  if (metrics.data === undefined) {
    return metrics.isError ? (
      <Failed error={metrics.error} onRetry={() => void metrics.refetch()} />
    ) : (
      <Grid draw={(key) => <ChartSkeleton title={t.charts[key]} height={HEIGHT} />} />
    );
  }
  const drawn = (key: ChartKey): Drawn => ({
    timesMs,
    lines: metricsOf(key).flatMap((metric) => {
      const series = seriesOf(host, container.id, metric);
      return series === undefined ? [] : [{ key: metric, label: metricName(metric), values: series.values }];
    }),
  });
  return <Charts container={container} range={range} drawn={drawn} />;
}

function HistoryCharts({ container, span }: ContainerChartsProps) {
  const t = useMessages(messages);
  const range = useRecent(span);
  const about = { kind: "container", node: container.node_name, subject: container.name };
  const queries = useQueries({
    queries: CHARTS.map(({ metrics }) =>
      historyQuery({ ...about, metric: metrics.join(","), band: metrics.length === 1 }, range, POINTS),
    ),
  });
  const failed = queries.find(({ error }) => error !== null);
  if (failed !== undefined && failed.data === undefined) {
    return <Failed error={failed.error} onRetry={() => queries.forEach((query) => void query.refetch())} />;
  }
  if (queries.some(({ data }) => data === undefined)) {
    return <Grid draw={(key) => <ChartSkeleton title={t.charts[key]} height={HEIGHT} />} />;
  }
  const drawn = (key: ChartKey): Drawn => {
    const answer = queries[CHARTS.findIndex((each) => each.key === key)]?.data;
    return {
      timesMs: answer?.times_ms ?? [],
      lines: (answer?.series ?? []).map((series) => ({
        key: `${series.metric} ${series.subject ?? ""}`,
        label: metricName(series.metric),
        values: series.values,
        low: series.low,
        high: series.high,
      })),
    };
  };
  return <Charts container={container} range={range} drawn={drawn} />;
}

interface ChartsProps {
  container: ContainerView;
  range: TimeRange;
  drawn: (key: ChartKey) => Drawn;
}

function Charts({ container, range, drawn }: ChartsProps) {
  const t = useMessages(messages);
  const shown = CHARTS.map(({ key, unit }) => ({ key, unit, ...drawn(key) }));
  if (shown.every(({ lines }) => lines.length === 0)) {
    return (
      <Empty icon={<ChartIcon className="size-5" />} title={t.noNumbers}>
        {t.noNumbersText}
      </Empty>
    );
  }
  return (
    <Grid
      draw={(key) => {
        const chart = shown.find((each) => each.key === key);
        if (chart === undefined) return null;
        return (
          <LazyTimeChart
            title={t.charts[key]}
            timesMs={chart.timesMs}
            lines={chart.lines}
            unit={chart.unit}
            range={range}
            top={key === "memory" ? container.memory_limit_bytes : null}
            syncKey="container"
            height={HEIGHT}
          />
        );
      }}
    />
  );
}

function Grid({ draw }: { draw: (key: ChartKey) => React.ReactNode }) {
  return (
    <div className="grid gap-x-6 gap-y-4 lg:grid-cols-2">
      {CHARTS.map(({ key }) => (
        <div key={key} className="min-w-0">
          {draw(key)}
        </div>
      ))}
    </div>
  );
}

function metricsOf(key: ChartKey): readonly string[] {
  return CHARTS.find((each) => each.key === key)?.metrics ?? [];
}

/** A host that has fallen silent has a gap where its newest numbers would be. */
function windowOf(hosts: readonly HostLiveView[], nodeId: string): HostLiveView | undefined {
  const host = hosts.find((each) => each.node_id === nodeId);
  return host === undefined ? undefined : extendTo(host, newestMs(hosts));
}

/** The time up to now, moved on every half a minute. */
function useRecent(span: Preset): TimeRange {
  const [endMs, setEndMs] = useState(serverNow);
  useEffect(() => {
    setEndMs(serverNow());
    const timer = setInterval(() => setEndMs(serverNow()), RENEW_MS);
    return () => clearInterval(timer);
  }, []);
  return useMemo(() => ({ startMs: endMs - spanOf(span), endMs }), [endMs, span]);
}
