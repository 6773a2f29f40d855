import { Table2 } from "lucide-react";
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { stepLabel, tickLabel } from "@/lib/axis-time";
import { serverNow } from "@/lib/clock";
import { cn } from "@/lib/cn";
import { language, useMessages } from "@/lib/i18n";
import { useMedia } from "@/lib/media";
import { lastOf, stepOf } from "@/lib/plot";
import { useTheme } from "@/lib/theme";
import { dragged, panned, type TimeRange, zoomed } from "@/lib/time-range";
import { baseOf, formatValue } from "@/lib/units";
import {
  type ChartForecast,
  type ChartLine,
  colorsOf,
  type Drawing,
  drawingOf,
  scaleOf,
} from "./time-chart-data";
import { Legend, type LegendEntry } from "./time-chart-legend";
import { type ChartMark, Marks, type PlotBox } from "./time-chart-markers";
import { messages } from "./time-chart-messages";
import { ChartTable } from "./time-chart-table";
import { followTouch } from "./time-chart-touch";
import { Button } from "./ui/button";

/** A stretch that is drawn behind the lines: what was unusual. */
export interface ChartBand {
  startMs: number;
  endMs: number;
  isBad: boolean;
}

export interface TimeChartProps {
  title: string;
  timesMs: readonly number[];
  lines: readonly ChartLine[];
  /** As the server names it; `formatValue` has them. */
  unit: string;
  range: TimeRange;
  /** A limit: the top of the scale while values stay below it. */
  top?: number | null;
  isStacked?: boolean;
  forecast?: ChartForecast | null;
  marks?: readonly ChartMark[];
  bands?: readonly ChartBand[];
  selection?: TimeRange | null;
  /** What dragging does; with Shift it does the other. */
  drag?: "zoom" | "select";
  /** Charts with the same key show the same moment under the cursor. */
  syncKey: string;
  height?: number;
  onZoom?: ((range: TimeRange) => void) | undefined;
  onReset?: (() => void) | undefined;
  onSelect?: ((range: TimeRange | null) => void) | undefined;
}

const AXIS_WIDTH = 64;
const MARKS_HEIGHT = 24;
const PAN_SHARE = 0.25;
const ZOOM_FACTOR = 0.5;
const STACK_FILL = 0.45;
const BAND_FILL = 0.18;
const LINE_FILL = 0.1;
const DASHES = { before: [3, 3], forecast: [6, 4] };
const NOTHING: ReadonlySet<string> = new Set();
const NO_MARKS: readonly ChartMark[] = [];
const NO_BANDS: readonly ChartBand[] = [];

/** What the drawing looks up while it draws: new data goes into the plot there is. */
interface Shown {
  drawing: Drawing;
  scale: [number, number];
  range: TimeRange;
  marks: readonly ChartMark[];
  bands: readonly ChartBand[];
  selection: TimeRange | null;
  drag: "zoom" | "select";
  onZoom: ((range: TimeRange) => void) | undefined;
  onReset: (() => void) | undefined;
  onSelect: ((range: TimeRange | null) => void) | undefined;
}

/** Several series over time. Fetched on demand (`lazy-time-chart.tsx`): uPlot is not part of the first load. */
export default function TimeChart({
  title,
  timesMs,
  lines,
  unit,
  range,
  top = null,
  isStacked = false,
  forecast = null,
  marks = NO_MARKS,
  bands = NO_BANDS,
  selection = null,
  drag = "zoom",
  syncKey,
  height = 176,
  onZoom,
  onReset,
  onSelect,
}: TimeChartProps) {
  const t = useMessages(messages);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(NOTHING);
  const [isLog, setLog] = useState(false);
  const [isTable, setTable] = useState(false);
  const [index, setIndex] = useState<number | null>(null);
  const [box, setBox] = useState<PlotBox>({ left: AXIS_WIDTH, width: 0 });
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const anchorMs = useRef<number | null>(null);
  const theme = useTheme();
  const isDark = useMedia("(prefers-color-scheme: dark)");
  const hintId = useId();

  const base = baseOf(unit);
  const isShownLog = isLog && !isStacked;
  const drawing = useMemo(
    () => drawingOf({ timesMs, lines, forecast, hidden, isStacked, isLog: isShownLog }),
    [timesMs, lines, forecast, hidden, isStacked, isShownLog],
  );
  const lastSeconds = drawing.data[0]?.at(-1) ?? 0;
  // A forecast goes on beyond the range.
  const endMs = forecast === null ? range.endMs : Math.max(range.endMs, lastSeconds * 1000);
  const shownRange = useMemo(() => ({ startMs: range.startMs, endMs }), [range.startMs, endMs]);
  const scale = scaleOf(drawing, { top, isLog: isShownLog, base });
  const shown: Shown = {
    drawing,
    scale,
    range: shownRange,
    marks,
    bands,
    selection,
    drag,
    onZoom,
    onReset,
    onSelect,
  };
  const newest = useRef(shown);
  newest.current = shown;

  const format = (value: number | null) => formatValue(value, unit);
  const structure = JSON.stringify([drawing.columns, drawing.fills]);
  const locale = language();

  // The plot is made once per look; new data goes into the one there is.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme and the language change what is looked up
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const look = looksOf(element);
    const made = new uPlot(
      optionsOf(element, look, newest, { unit, base, height, syncKey, isLog: isShownLog, setIndex, setBox }),
      newest.current.drawing.data as uPlot.AlignedData,
      element,
    );
    plot.current = made;
    const letGo = followTouch(made, (factor, around) => {
      const { range: now, onZoom: zoom } = newest.current;
      zoom?.(zoomed(now, factor, around * 1000, serverNow()));
    });
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      letGo();
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [structure, unit, height, syncKey, isShownLog, theme, isDark, locale]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the scales and the marks are looked up while drawing
  useEffect(() => {
    plot.current?.setData(drawing.data as uPlot.AlignedData, true);
  }, [drawing, shownRange, scale[0], scale[1], marks, bands, selection]);

  const onKeyDown = (event: KeyboardEvent) => {
    const self = plot.current;
    if (self === null || event.altKey || event.ctrlKey || event.metaKey) return;
    if (press(self, event, newest.current, anchorMs)) {
      event.preventDefault();
      event.stopPropagation();
    }
  };

  const colors = colorsOf(lines);
  const entries: LegendEntry[] = lines.map((line) => ({
    key: line.key,
    label: line.label,
    color: colors.get(line.key) ?? 0,
    isDashed: line.isBefore === true,
    values: line.values,
  }));
  const step = stepOf(timesMs);
  const isEmpty = lines.every((line) => lastOf(line.values) === null);
  // The newest step is often still empty.
  const newestKnown = timesMs.findLastIndex((_, at) => lines.some(({ values }) => values[at] != null));
  const atMs = index === null ? undefined : (drawing.data[0]?.[index] ?? 0) * 1000;
  const place = index ?? Math.max(0, newestKnown);
  const spoken = isEmpty
    ? t.noValues
    : [
        stepLabel(atMs ?? timesMs[place] ?? 0, step),
        ...lines
          .filter((line) => !hidden.has(line.key))
          .map((line) => `${line.label} ${format(line.values[place] ?? null)}`),
      ].join(", ");

  const toggle = (key: string, isAlone: boolean) =>
    setHidden((before) => {
      if (isAlone) {
        const others = lines.map((line) => line.key).filter((each) => each !== key);
        const isAlready = !before.has(key) && others.every((each) => before.has(each));
        return isAlready ? NOTHING : new Set(others);
      }
      const next = new Set(before);
      if (!next.delete(key)) next.add(key);
      return next;
    });

  return (
    <figure className="min-w-0">
      <figcaption className="flex h-7 items-center gap-2 text-sm">
        <span className="min-w-0 truncate font-medium">{title}</span>
        <span className="tabular min-w-0 flex-1 truncate text-right text-xs text-muted">
          {atMs === undefined ? "" : stepLabel(atMs, step)}
        </span>
        {!isStacked && (
          <Button
            tone="ghost"
            aria-pressed={isLog}
            aria-label={`${t.logShort}, ${t.log}: ${title}`}
            title={t.log}
            onClick={() => setLog(!isLog)}
            className={cn("h-6 px-1.5 text-xs", isLog && "bg-hover text-text")}
          >
            {t.logShort}
          </Button>
        )}
        <Button
          tone="ghost"
          isIcon
          aria-pressed={isTable}
          aria-label={`${t.table}: ${title}`}
          title={t.table}
          onClick={() => setTable(!isTable)}
          className={cn("size-6", isTable && "bg-hover text-text")}
        >
          <Table2 aria-hidden className="size-3.5" />
        </Button>
      </figcaption>
      <div className="relative" style={{ height: `${height}px` }}>
        <div
          ref={host}
          role="slider"
          tabIndex={0}
          aria-label={t.at(title)}
          aria-describedby={hintId}
          aria-valuemin={0}
          aria-valuemax={Math.max(0, timesMs.length - 1)}
          aria-valuenow={place}
          aria-valuetext={spoken}
          onKeyDown={onKeyDown}
          onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
          className="h-full touch-pan-y"
        />
        {isEmpty && (
          <p className="pointer-events-none absolute inset-0 flex items-center justify-center pl-16 text-sm text-muted">
            {t.noValues}
          </p>
        )}
        {marks.length > 0 && box.width > 0 && (
          <Marks
            marks={marks}
            box={box}
            xOf={(at) => ((at - shownRange.startMs) / (shownRange.endMs - shownRange.startMs)) * box.width}
          />
        )}
      </div>
      <p id={hintId} className="sr-only">
        {t.keys}
      </p>
      <Legend entries={entries} hidden={hidden} index={index} format={format} onToggle={toggle} />
      {isTable && (
        <ChartTable title={title} timesMs={timesMs} lines={lines} forecast={forecast} format={format} />
      )}
    </figure>
  );
}

/** What a key does; false when it is none of the chart's. */
function press(
  self: uPlot,
  event: KeyboardEvent,
  { range, onZoom, onReset, onSelect }: Shown,
  anchorMs: { current: number | null },
): boolean {
  const times = self.data[0];
  const last = times.length - 1;
  const at = self.cursor.idx ?? last;
  const cursorMs = (times[at] ?? 0) * 1000;
  const moveTo = (index: number) => {
    const time = times[Math.min(last, Math.max(0, index))];
    if (time !== undefined) moveCursor(self, self.valToPos(time, "x"));
  };
  switch (event.key) {
    case "ArrowLeft":
    case "ArrowRight": {
      const direction = event.key === "ArrowLeft" ? -1 : 1;
      if (event.shiftKey) onZoom?.(panned(range, direction * PAN_SHARE, serverNow()));
      else moveTo(self.cursor.idx == null ? last : at + direction);
      return true;
    }
    case "PageUp":
    case "PageDown":
      moveTo(at + (event.key === "PageUp" ? 10 : -10));
      return true;
    case "Home":
      moveTo(0);
      return true;
    case "End":
      moveTo(last);
      return true;
    case "+":
    case "=":
    case "-": {
      const factor = event.key === "-" ? 1 / ZOOM_FACTOR : ZOOM_FACTOR;
      onZoom?.(zoomed(range, factor, cursorMs, serverNow()));
      return true;
    }
    case "Enter":
      if (onSelect === undefined) return false;
      if (anchorMs.current === null) anchorMs.current = cursorMs;
      else {
        const stretch = dragged(anchorMs.current, cursorMs);
        anchorMs.current = null;
        if (stretch !== null) onSelect(stretch);
      }
      return true;
    case "Escape":
      anchorMs.current = null;
      onSelect?.(null);
      onReset?.();
      return true;
    default:
      return false;
  }
}

/** Move the cursor, and that of every chart of the page with it. */
export function moveCursor(self: uPlot, left: number): void {
  const move = self.setCursor as (
    at: { left: number; top: number },
    fires: boolean,
    publishes: boolean,
  ) => void;
  move({ left, top: 1 }, true, true);
}

interface Look {
  series: string[];
  line: string;
  muted: string;
  warn: string;
  bad: string;
  accent: string;
  font: string;
}

function looksOf(element: HTMLElement): Look {
  const colors = resolved(element, [
    ...Array.from({ length: 8 }, (_, place) => `--series-${place + 1}`),
    "--line",
    "--muted",
    "--warn-mark",
    "--bad-mark",
    "--accent",
  ]);
  const [line = "", muted = "", warn = "", bad = "", accent = ""] = colors.slice(8);
  return {
    series: colors.slice(0, 8),
    line,
    muted,
    warn,
    bad,
    accent,
    font: `11px ${getComputedStyle(element).fontFamily}`,
  };
}

/** A canvas does not know custom properties: let the browser compute them. */
function resolved(element: HTMLElement, properties: readonly string[]): string[] {
  const probe = document.createElement("span");
  element.append(probe);
  const colors = properties.map((property) => {
    probe.style.color = `var(${property})`;
    return getComputedStyle(probe).color;
  });
  probe.remove();
  return colors;
}

function faded(color: string, share: number): string {
  return color.includes("/") ? color : color.replace(")", ` / ${share})`);
}

interface Making {
  unit: string;
  base: 10 | 1024;
  height: number;
  syncKey: string;
  isLog: boolean;
  setIndex: (index: number | null) => void;
  setBox: (box: PlotBox) => void;
}

function optionsOf(
  element: HTMLElement,
  look: Look,
  newest: { current: Shown },
  { unit, base, height, syncKey, isLog, setIndex, setBox }: Making,
): uPlot.Options {
  const { columns, fills } = newest.current.drawing;
  const isSingle = columns.filter(({ part, isBefore }) => part === "line" && !isBefore).length === 1;
  const axis = { stroke: look.muted, font: look.font };
  const grid = { stroke: look.line, width: 1 };
  let isShiftHeld = false;
  return {
    width: element.clientWidth,
    height,
    // The room of marks is there before they are.
    padding: [newest.current.marks === NO_MARKS ? 10 : MARKS_HEIGHT, 8, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      // The moment is shared; a stretch is chosen on one chart.
      sync: {
        key: syncKey,
        scales: ["x", null],
        filters: { pub: (type) => type === "mousemove" || type === "mouseleave", sub: () => true },
      },
      points: { size: 6, show: columns.some(({ part }) => part === "line") },
      drag: { x: true, y: false, setScale: false, dist: 4 },
      bind: {
        mousedown: (_, __, handle) => (event) => {
          isShiftHeld = event.shiftKey;
          return handle(event);
        },
        dblclick: () => () => {
          newest.current.onReset?.();
          return null;
        },
      },
    },
    scales: {
      x: {
        time: true,
        range: () => [newest.current.range.startMs / 1000, newest.current.range.endMs / 1000],
      },
      y: { range: () => newest.current.scale, distr: isLog ? 3 : 1, log: 10 },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        ticks: { ...grid, size: 4 },
        size: 26,
        gap: 4,
        space: 72,
        values: (_, ticks, __, ___, step) => ticks.map((tick) => tickLabel(tick * 1000, step * 1000)),
      },
      {
        ...axis,
        grid,
        ticks: { show: false },
        size: AXIS_WIDTH,
        gap: 6,
        space: 36,
        ...(base === 1024 && !isLog ? { incrs: BINARY_STEPS } : {}),
        values: (_, ticks) =>
          ticks.map((tick) => (tick === null ? "" : tick === 0 ? "0" : shortened(formatValue(tick, unit)))),
      },
    ],
    series: [
      {},
      ...columns.map(({ part, color, isBefore }, place): uPlot.Series => {
        const stroke = look.series[color] ?? look.muted;
        const isEdge = part !== "line" && part !== "forecast";
        const isBottom = fills.some((fill) => fill.lower === 0 && fill.upper === place + 1);
        const isFilled = isBottom || (isSingle && part === "line" && !isBefore && !isLog);
        return {
          stroke: isEdge ? "transparent" : isBefore ? faded(stroke, 0.7) : stroke,
          width: isEdge ? 0 : isBefore ? 1.25 : 1.5,
          spanGaps: false,
          points: { show: false },
          ...(part === "forecast" ? { dash: DASHES.forecast } : isBefore ? { dash: DASHES.before } : {}),
          ...(isFilled ? { fill: faded(stroke, isBottom ? STACK_FILL : LINE_FILL) } : {}),
        };
      }),
    ],
    bands: fills
      .filter(({ lower }) => lower > 0)
      .map(({ upper, lower, color, strength }) => ({
        series: [upper, lower],
        fill: faded(look.series[color] ?? look.muted, strength === "stack" ? STACK_FILL : BAND_FILL),
      })),
    hooks: {
      drawClear: [(self) => drawBehind(self, look, newest.current)],
      ready: [(self) => setBox(boxOf(self))],
      setSize: [(self) => setBox(boxOf(self))],
      setCursor: [(self) => setIndex(self.cursor.idx ?? null)],
      setSelect: [
        (self) => {
          const { left, width } = self.select;
          if (width < 4) return;
          const stretch = dragged(self.posToVal(left, "x") * 1000, self.posToVal(left + width, "x") * 1000);
          self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          if (stretch === null) return;
          const { drag, onSelect, onZoom } = newest.current;
          const isSelecting = onSelect !== undefined && (drag === "select") !== isShiftHeld;
          if (isSelecting) onSelect(stretch);
          else onZoom?.(stretch);
        },
      ],
    },
  };
}

/** Powers of two, and halves of them, so that bytes are read at round numbers. */
const BINARY_STEPS = Array.from({ length: 54 }, (_, power) => 2 ** power);

function shortened(text: string): string {
  return text.replace(/[.,]0+(?=\D|$)/, "");
}

function boxOf(self: uPlot): PlotBox {
  return { left: self.over.offsetLeft, width: self.over.clientWidth };
}

/** What was unusual, what is selected, and when something happened, behind the lines. */
function drawBehind(self: uPlot, look: Look, { bands, selection, marks, range }: Shown): void {
  const { ctx, bbox } = self;
  const xOf = (atMs: number) =>
    Math.min(bbox.left + bbox.width, Math.max(bbox.left, self.valToPos(atMs / 1000, "x", true)));
  const stretch = (startMs: number, endMs: number, fill: string, edge: string) => {
    const left = xOf(startMs);
    const width = Math.max(2, xOf(endMs) - left);
    ctx.fillStyle = fill;
    ctx.fillRect(left, bbox.top, width, bbox.height);
    ctx.fillStyle = edge;
    ctx.fillRect(left, bbox.top, width, 2 * devicePixelRatio);
  };
  ctx.save();
  for (const { startMs, endMs, isBad } of bands) {
    if (endMs < range.startMs || startMs > range.endMs) continue;
    const color = isBad ? look.bad : look.warn;
    stretch(startMs, endMs, faded(color, 0.16), color);
  }
  if (selection !== null) stretch(selection.startMs, selection.endMs, faded(look.accent, 0.16), look.accent);
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const mark of marks) {
    if (mark.atMs < range.startMs || mark.atMs > range.endMs) continue;
    const x = Math.round(xOf(mark.atMs)) + 0.5;
    ctx.strokeStyle = mark.isBad ? look.bad : mark.kind === "alert" ? look.warn : look.accent;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
