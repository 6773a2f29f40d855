import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { formatClock, UNKNOWN } from "@/lib/format";
import { useMedia } from "@/lib/media";
import { useTheme } from "@/lib/theme";

interface ChartProps {
  title: string;
  timesMs: readonly number[];
  values: readonly (number | null)[];
  /** The top of the scale; without it, the data's largest value. */
  top: number | null;
  format: (value: number) => string;
  /** A custom property of styles/app.css. */
  color: string;
  /** Charts with the same key show the same moment under the cursor. */
  syncKey: string;
}

const HEIGHT = 168;
const AXIS_WIDTH = 72;

/** One series over time with axes and a cursor. Fetched on demand: uPlot is not part of the first load. */
export default function Chart({ title, timesMs, values, top, format, color, syncKey }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const readout = useRef<HTMLSpanElement>(null);
  const plot = useRef<uPlot | null>(null);
  const theme = useTheme();
  const isDark = useMedia("(prefers-color-scheme: dark)");
  const data = [timesMs.map((time) => time / 1000), [...values]] as uPlot.AlignedData;
  const newest = useRef(data);
  newest.current = data;

  // The plot is made once per look; new data goes into the one there is.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme changes what the custom properties resolve to
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const stroke = resolve(element, color);
    const grid = { stroke: resolve(element, "--line"), width: 1 };
    const axis = {
      stroke: resolve(element, "--muted"),
      font: `11px ${getComputedStyle(element).fontFamily}`,
    };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, sync: { key: syncKey }, points: { size: 7, fill: stroke } },
        scales: { y: { range: (_, __, max) => [0, top ?? Math.max(1, max * 1.1)] } },
        axes: [
          {
            ...axis,
            grid: { show: false },
            ticks: grid,
            size: 28,
            incrs: [60, 120, 300],
            space: 56,
            values: (_, times) => times.map((time) => formatClock(time * 1000).slice(0, 5)),
          },
          {
            ...axis,
            grid,
            ticks: { show: false },
            size: AXIS_WIDTH,
            values: (_, ticks) => ticks.map((tick) => (tick === 0 ? "0" : format(tick))),
            splits: (_, __, min, max) => [min, (min + max) / 2, max],
          },
        ],
        series: [{}, { stroke, width: 1.5, fill: fade(stroke), spanGaps: false, points: { show: false } }],
        hooks: {
          setCursor: [
            (self) => {
              if (readout.current !== null) readout.current.textContent = readoutOf(self, format);
            },
          ],
        },
      },
      newest.current,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [color, format, syncKey, top, theme, isDark]);

  useEffect(() => {
    plot.current?.setData(data);
    if (plot.current !== null && readout.current !== null)
      readout.current.textContent = readoutOf(plot.current, format);
  });

  const known = values.filter((value) => value !== null);
  return (
    <figure>
      <figcaption className="mb-1 flex items-baseline justify-between text-sm">
        <span className="font-medium">{title}</span>
        <span ref={readout} className="tabular text-muted" />
      </figcaption>
      <div
        ref={host}
        role="img"
        aria-label={`${title} over the last ten minutes, between ${known.length > 0 ? format(Math.min(...known)) : UNKNOWN} and ${known.length > 0 ? format(Math.max(...known)) : UNKNOWN}`}
        className="h-[168px]"
      />
    </figure>
  );
}

/** The value under the cursor, otherwise the newest. */
function readoutOf(self: uPlot, format: (value: number) => string): string {
  const [times = [], values = []] = self.data;
  const index = self.cursor.idx ?? times.length - 1;
  const time = times[index];
  const value = values[index];
  if (time === undefined) return "";
  return `${value == null ? UNKNOWN : format(value)} at ${formatClock(time * 1000)}`;
}

/** A canvas does not know custom properties: let the browser compute one. */
function resolve(element: HTMLElement, property: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${property})`;
  element.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

function fade(color: string): string {
  return color.includes("/") ? color : color.replace(")", " / 0.13)");
}
