import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { historyQuery, trendQuery } from "@/api/observing";
import type { FullView } from "@/api/openapi";
import { clusterQuery } from "@/api/queries";
import { LazyTimeChart } from "@/components/lazy-time-chart";
import { Loaded } from "@/components/loaded";
import { Loading } from "@/components/states";
import { serverNow } from "@/lib/clock";
import { useMessages } from "@/lib/i18n";
import { lastOf } from "@/lib/plot";
import { messages } from "./messages";
import { coneOf } from "./outlook";

const DAY_MS = 86_400_000;
const BACK_DAYS = 30;
const POINTS = 240;
const CHART_HEIGHT = 200;

/** The last month of one resource, and the cone of what is expected in the next. */
export function Course({ full, unit }: { full: FullView; unit: string }) {
  const t = useMessages(messages);
  const nodes = useQuery(clusterQuery).data?.nodes;
  const range = useMemo(() => {
    const endMs = Math.ceil(serverNow() / 3_600_000) * 3_600_000;
    return { startMs: endMs - BACK_DAYS * DAY_MS, endMs };
  }, []);
  const [host = "", ...mount] = full.subject.split(":");
  const isHost = nodes?.some(({ name }) => name === host) === true;
  // All hosts together have no name in the history.
  const query = isHost
    ? mount.length > 0
      ? { kind: "disk", node: host, subject: mount.join(":"), metric: full.metric }
      : { kind: "host", node: host, metric: full.metric }
    : { kind: "host", metric: full.metric, aggregation: "sum" };
  const history = useQuery(historyQuery(query, range, POINTS));
  const trend = useQuery({ ...trendQuery(full.subject, full.metric), enabled: isHost, retry: false });
  return (
    <div className="px-4 pb-4">
      <Loaded query={history} loading={<Loading label={t.showCourse(full.subject)} rows={8} />}>
        {(found) => {
          const line = {
            key: "it",
            label: t.metrics[full.metric] ?? full.metric,
            values: found.series[0]?.values ?? [],
          };
          const lastMs = found.times_ms.at(-1) ?? range.endMs;
          const cone =
            trend.data === undefined
              ? null
              : coneOf(trend.data, "it", t.expected, { atMs: lastMs, value: lastOf(line.values) });
          return (
            <LazyTimeChart
              title={t.showCourse(full.subject)}
              timesMs={found.times_ms}
              lines={[line]}
              unit={unit}
              range={range}
              top={full.exhaustion.limit}
              forecast={cone}
              syncKey="capacity"
              height={CHART_HEIGHT}
            />
          );
        }}
      </Loaded>
      <ul className="mt-1 text-sm text-muted">
        {(trend.data?.said ?? full.exhaustion.said).map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
      {isHost && (
        <Link
          to="/explore"
          search={{ of: `host:${host}`, range: "30d" }}
          className="mt-1 inline-block text-sm font-medium text-accent hover:underline"
        >
          {t.openMetrics}
        </Link>
      )}
    </div>
  );
}
