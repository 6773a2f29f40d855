import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { recentQuery } from "@/api/observing";
import { metricsQuery } from "@/api/queries";
import { LazyTimeChart } from "@/components/lazy-time-chart";
import { Loaded } from "@/components/loaded";
import { Loading } from "@/components/states";
import type { ChartLine } from "@/components/time-chart-data";
import { Card, Section } from "@/components/ui/section";
import { useMessages } from "@/lib/i18n";
import { metricName } from "@/lib/metric-names";
import { messages } from "./messages";
import { together } from "./overview-lines";

const HEIGHT = 112;
const EVERY_MS = 10_000;
const SPAN_MS = 600_000;

/** The cluster as a whole over the last ten minutes, live. */
export default function OverviewCharts() {
  const t = useMessages(messages);
  const live = useQuery(metricsQuery);
  return (
    <Section
      title={t.charts}
      note={t.lastTenMinutes}
      actions={
        <Link to="/explore" className="text-sm font-medium text-accent hover:underline">
          {t.allOf}
        </Link>
      }
    >
      <Loaded
        query={live}
        loading={
          <Card>
            <Loading label={t.loading} rows={5} />
          </Card>
        }
      >
        {(hosts) => <Charts hosts={hosts} />}
      </Loaded>
    </Section>
  );
}

function Charts({ hosts }: { hosts: Parameters<typeof together>[0] }) {
  const t = useMessages(messages);
  const charts = useMemo(() => {
    const line = (metric: string, how: "sum" | "mean"): { timesMs: number[]; line: ChartLine } => {
      const { timesMs, values } = together(hosts, metric, how);
      return { timesMs, line: { key: metric, label: metricName(metric), values } };
    };
    const [cpu, memory, limit, received, sent] = [
      line("cpu_percent", "mean"),
      line("memory_bytes", "sum"),
      line("memory_limit_bytes", "sum"),
      line("rx_bytes_per_s", "sum"),
      line("tx_bytes_per_s", "sum"),
    ];
    return [
      { key: "cpu", title: t.cpuNow, unit: "percent", top: 100, timesMs: cpu.timesMs, lines: [cpu.line] },
      {
        key: "memory",
        title: t.memoryNow,
        unit: "bytes",
        top: limit.line.values.at(-1) ?? null,
        timesMs: memory.timesMs,
        lines: [memory.line],
      },
      {
        key: "network",
        title: t.networkNow,
        unit: "bytes/s",
        top: null,
        timesMs: received.timesMs,
        lines: [received.line, sent.line],
      },
    ];
  }, [hosts, t]);
  const endMs = Math.max(...charts.map(({ timesMs }) => timesMs.at(-1) ?? 0));
  const range = useMemo(() => ({ startMs: endMs - SPAN_MS, endMs }), [endMs]);
  return (
    <div className="grid gap-4 sm:grid-cols-2 2xl:grid-cols-4">
      {charts.map(({ key, ...chart }) => (
        <Card key={key} className="min-w-0 px-3 pt-1.5 pb-1">
          <LazyTimeChart {...chart} range={range} syncKey="overview" height={HEIGHT} />
        </Card>
      ))}
      <Requests range={range} />
    </div>
  );
}

/** Requests through the routers and those that failed; there is no card where nothing is routed. */
function Requests({ range }: { range: { startMs: number; endMs: number } }) {
  const t = useMessages(messages);
  const { data } = useQuery(
    recentQuery(
      { kind: "route", metric: "requests,errors", by: "metric", aggregation: "sum" },
      "10m",
      EVERY_MS,
    ),
  );
  const lines = useMemo(
    () =>
      (data?.series ?? []).map((series) => ({
        key: series.metric,
        label: metricName(series.metric),
        values: series.values,
      })),
    [data],
  );
  if (data === undefined || lines.length === 0) return null;
  return (
    <Card className="min-w-0 px-3 pt-1.5 pb-1">
      <LazyTimeChart
        title={t.requestsNow}
        timesMs={data.times_ms}
        lines={lines}
        unit={data.series[0]?.unit ?? ""}
        range={range}
        syncKey="overview"
        height={HEIGHT}
      />
    </Card>
  );
}
