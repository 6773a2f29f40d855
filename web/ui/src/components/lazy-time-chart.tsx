import { Suspense } from "react";
import { lazily } from "@/lib/fetched";
import { useMessages } from "@/lib/i18n";
import type { TimeChartProps } from "./time-chart";
import { messages } from "./time-chart-messages";

const TimeChart = lazily(() => import("./time-chart"));

const CAPTION = 28;
const LEGEND = 28;

/** A chart whose code is fetched when the first one is shown; its room is there before. */
export function LazyTimeChart(props: TimeChartProps) {
  return (
    <Suspense fallback={<ChartSkeleton title={props.title} height={props.height} />}>
      <TimeChart {...props} />
    </Suspense>
  );
}

/** The room of a chart whose values are not there yet. */
export function ChartSkeleton({ title, height = 176 }: { title: string; height?: number | undefined }) {
  const t = useMessages(messages);
  return (
    <div
      role="status"
      aria-label={`${t.loading}: ${title}`}
      style={{ height: `${CAPTION + height + LEGEND}px` }}
    >
      <p className="flex h-7 items-center text-sm font-medium">{title}</p>
      <div className="animate-breathe mt-2 h-2/3 rounded bg-hover" />
    </div>
  );
}
