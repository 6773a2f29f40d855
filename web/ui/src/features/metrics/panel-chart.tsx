import { useQueries, useQuery } from "@tanstack/react-query";
import { forecastQuery, historyQuery } from "@/api/observing";
import type { AnomaliesView } from "@/api/openapi";
import { ChartSkeleton, LazyTimeChart } from "@/components/lazy-time-chart";
import { Failed } from "@/components/states";
import type { ChartMark } from "@/components/time-chart-markers";
import { serverNow } from "@/lib/clock";
import { useMessages } from "@/lib/i18n";
import { lengthOf, rangeBefore, type TimeRange } from "@/lib/time-range";
import { messages } from "./messages";
import { bandsOf, forecastOf, linesOf } from "./panel-lines";
import type { Panel } from "./panels";

export interface PanelChartProps {
  panel: Panel;
  range: TimeRange;
  isCompared: boolean;
  isForecast: boolean;
  anomalies: AnomaliesView | undefined;
  marks: readonly ChartMark[];
  selection: TimeRange | null;
  drag: "zoom" | "select";
  onZoom: (range: TimeRange) => void;
  onReset: () => void;
  onSelect: (range: TimeRange | null) => void;
}

const POINTS = 300;
const CHART_HEIGHT = 184;
const ROOM = CHART_HEIGHT + 28 + 28;

/** One chart of the explorer, with what it asks of the history. */
export function PanelChart({
  panel,
  range,
  isCompared,
  isForecast,
  anomalies,
  marks,
  selection,
  drag,
  onZoom,
  onReset,
  onSelect,
}: PanelChartProps) {
  const t = useMessages(messages);
  const title = t.panels[panel.key];
  const queries = useQueries({
    queries: panel.asks.map(({ query }) => historyQuery(query, range, POINTS)),
  });
  const before = useQueries({
    queries: panel.asks.map(({ query }) => ({
      ...historyQuery(query, rangeBefore(range), POINTS),
      enabled: isCompared,
    })),
  });
  const about = panel.about;
  // Of several things together, or of parts of one, there is no forecast.
  const canForecast =
    isForecast && about !== undefined && panel.labelBy === "metric" && panel.isStacked !== true;
  const needs = useQuery({
    ...forecastQuery(about?.subject ?? "", about?.metric ?? ""),
    enabled: canForecast,
    retry: false,
  });
  const failed = queries.find(({ error }) => error !== null);
  if (queries.every(({ data }) => data === undefined)) {
    return (
      <div style={{ minHeight: `${ROOM}px` }}>
        {failed === undefined ? (
          <ChartSkeleton title={title} height={CHART_HEIGHT} />
        ) : (
          <Failed error={failed.error} onRetry={() => queries.forEach((query) => void query.refetch())} />
        )}
      </div>
    );
  }
  const drawn = linesOf(
    panel,
    queries.map(({ data }) => data),
    t,
    isCompared ? { answers: before.map(({ data }) => data), shiftMs: lengthOf(range) } : null,
  );
  if (drawn.lines.length === 0 && panel.isOptional === true) return null;
  const forecast = canForecast ? forecastOf(drawn, needs.data, range, serverNow(), t.expected) : null;
  const said = canForecast ? (needs.data?.needs[0]?.said ?? []) : [];
  return (
    <div>
      <LazyTimeChart
        title={title}
        timesMs={drawn.timesMs}
        lines={drawn.lines}
        unit={drawn.unit}
        range={range}
        top={drawn.top}
        isStacked={panel.isStacked === true}
        forecast={forecast}
        bands={bandsOf(panel, anomalies)}
        marks={marks}
        selection={selection}
        drag={drag}
        syncKey="metrics"
        height={CHART_HEIGHT}
        onZoom={onZoom}
        onReset={onReset}
        onSelect={about === undefined ? undefined : onSelect}
      />
      {drawn.leftOut > 0 && panel.isStacked !== true && (
        <p className="text-xs text-muted">{t.leftOut(drawn.leftOut)}</p>
      )}
      {said.length > 0 && <p className="mt-1 text-xs text-muted">{said.join(". ")}.</p>}
    </div>
  );
}
