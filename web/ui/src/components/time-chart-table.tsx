import { stepLabel } from "@/lib/axis-time";
import { useMessages } from "@/lib/i18n";
import { stepOf } from "@/lib/plot";
import type { ChartForecast, ChartLine } from "./time-chart-data";
import { messages } from "./time-chart-messages";

interface TableProps {
  title: string;
  timesMs: readonly number[];
  lines: readonly ChartLine[];
  forecast: ChartForecast | null;
  format: (value: number | null) => string;
}

/** The same values in words, the newest first. */
export function ChartTable({ title, timesMs, lines, forecast, format }: TableProps) {
  const t = useMessages(messages);
  const step = stepOf(timesMs);
  const places = timesMs.map((_, index) => index).reverse();
  const ahead = forecast === null ? [] : forecast.timesMs.map((_, index) => index).reverse();
  return (
    <section
      aria-label={t.tableOf(title)}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
      tabIndex={0}
      className="mt-2 max-h-64 overflow-auto rounded border border-line"
    >
      <table className="tabular w-full text-xs">
        <thead className="sticky top-0 bg-raised">
          <tr>
            <th scope="col" className="px-2 py-1 text-left font-medium">
              {t.time}
            </th>
            {lines.map((line) => (
              <th key={line.key} scope="col" className="px-2 py-1 text-right font-medium">
                {line.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {forecast !== null &&
            ahead.map((place) => (
              <tr key={`ahead-${forecast.timesMs[place]}`} className="border-t border-line text-muted">
                <th scope="row" className="px-2 py-0.5 text-left font-normal whitespace-nowrap">
                  {stepLabel(forecast.timesMs[place] ?? 0, stepOf(forecast.timesMs))} ({t.expected})
                </th>
                {lines.map((line) => (
                  <td key={line.key} className="px-2 py-0.5 text-right whitespace-nowrap">
                    {line.key === forecast.key &&
                      withBand(format, forecast.expected[place], forecast.low[place], forecast.high[place])}
                  </td>
                ))}
              </tr>
            ))}
          {places.map((place) => (
            <tr key={timesMs[place]} className="border-t border-line">
              <th scope="row" className="px-2 py-0.5 text-left font-normal whitespace-nowrap">
                {stepLabel(timesMs[place] ?? 0, step)}
              </th>
              {lines.map((line) => (
                <td key={line.key} className="px-2 py-0.5 text-right whitespace-nowrap">
                  {withBand(format, line.values[place], line.low?.[place], line.high?.[place])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function withBand(
  format: (value: number | null) => string,
  value: number | null | undefined,
  low: number | null | undefined,
  high: number | null | undefined,
): string {
  const text = format(value ?? null);
  return low == null || high == null || low === high ? text : `${text} (${format(low)}–${format(high)})`;
}
