import { cn } from "@/lib/cn";

interface SparklineProps {
  values: readonly (number | null)[];
  /** The value at the top edge; without it, the largest one (at least `topMin`). */
  top?: number | null | undefined;
  topMin?: number;
  /** What screen readers say, with numbers: the drawing itself says nothing to them. */
  label: string;
  className?: string;
}

const WIDTH = 100;
const HEIGHT = 32;

/** The course of one series, without axes. Gaps stay gaps. */
export function Sparkline({ values, top, topMin = 1, label, className }: SparklineProps) {
  const known = values.filter((value) => value !== null);
  const ceiling = top ?? Math.max(topMin, ...known) * 1.1;
  const runs = runsOf(values, ceiling);
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      className={cn("block overflow-visible", className)}
    >
      {runs.map((run) => (
        <g key={run[0]?.x}>
          <path d={`${lineOf(run)} V${HEIGHT} H${run[0]?.x ?? 0} Z`} fill="currentColor" opacity="0.13" />
          <path
            d={lineOf(run)}
            fill="none"
            stroke="currentColor"
            strokeWidth="1.5"
            strokeLinejoin="round"
            strokeLinecap="round"
            vectorEffect="non-scaling-stroke"
          />
        </g>
      ))}
    </svg>
  );
}

interface Point {
  x: number;
  y: number;
}

/** The points of each stretch without a gap, in the drawing's units. */
export function runsOf(values: readonly (number | null)[], ceiling: number): Point[][] {
  const runs: Point[][] = [];
  let run: Point[] = [];
  const step = WIDTH / Math.max(1, values.length - 1);
  values.forEach((value, index) => {
    if (value === null) {
      if (run.length > 0) runs.push(run);
      run = [];
      return;
    }
    const share = Math.min(1, Math.max(0, value / ceiling));
    run.push({ x: round(index * step), y: round(HEIGHT - 1 - share * (HEIGHT - 2)) });
  });
  if (run.length > 0) runs.push(run);
  return runs;
}

function lineOf(run: readonly Point[]): string {
  const points =
    run.length === 1 && run[0] !== undefined ? [run[0], { x: run[0].x + 0.5, y: run[0].y }] : run;
  return `M${points.map((point) => `${point.x} ${point.y}`).join("L")}`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
