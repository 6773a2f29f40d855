import { ChevronDown, ChevronRight, CircleCheck } from "lucide-react";
import type { ExhaustionView, FullView } from "@/api/openapi";
import { Empty } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/section";
import { formatDay } from "@/lib/axis-time";
import { cn } from "@/lib/cn";
import { formatPercent } from "@/lib/format";
import { textsOf, useMessages } from "@/lib/i18n";
import { formatValue } from "@/lib/units";
import type { CapacitySearch } from "./capacity-search";
import { Course } from "./course";
import { messages } from "./messages";
import { isFilling, isSpread, keyOf, roundedSpan, toneOf } from "./outlook";

interface FirstOutProps {
  full: readonly FullView[];
  search: CapacitySearch;
  onSearch: (next: Partial<CapacitySearch>) => void;
}

/** Every resource that fills up, the soonest first; each opens its course with what is expected of it. */
export function FirstOut({ full, search, onSearch }: FirstOutProps) {
  const t = useMessages(messages);
  const filling = full.filter(({ exhaustion }) => isFilling(exhaustion));
  const shown = search.all === true ? full : filling;
  const others = full.length - filling.length;
  return (
    <Card>
      {filling.length === 0 && (
        <Empty icon={<CircleCheck className="size-5" />} title={t.firstNone}>
          {t.firstNoneHint}
        </Empty>
      )}
      <ul className="divide-y divide-line">
        {shown.map((each) => (
          <Row
            key={keyOf(each)}
            full={each}
            isOpen={search.course === keyOf(each)}
            onToggle={() => onSearch({ course: search.course === keyOf(each) ? undefined : keyOf(each) })}
          />
        ))}
      </ul>
      {others > 0 && (
        <div className="border-t border-line px-3 py-2">
          <Button
            tone="ghost"
            aria-expanded={search.all === true}
            onClick={() => onSearch({ all: search.all === true ? undefined : true })}
          >
            {search.all === true ? t.fewer : t.more(others)}
          </Button>
        </div>
      )}
    </Card>
  );
}

/** "12 days", "3 months". */
export function spanText(days: number): string {
  const t = textsOf(messages);
  const { unit, count } = roundedSpan(days);
  return t[unit](count);
}

function whenText(exhaustion: ExhaustionView): string {
  const t = textsOf(messages);
  if (exhaustion.outlook !== "filling" || exhaustion.days === null)
    return t.outlooks[exhaustion.outlook] ?? exhaustion.outlook;
  return t.inDays(spanText(exhaustion.days));
}

function intervalText(exhaustion: ExhaustionView): string {
  const t = textsOf(messages);
  if (exhaustion.outlook !== "filling" || exhaustion.soonest_days === null) return "";
  const day = exhaustion.at_ms === null ? "" : t.onDay(formatDay(exhaustion.at_ms));
  if (!isSpread(exhaustion)) return day;
  const interval =
    exhaustion.latest_days === null
      ? t.soonest(spanText(exhaustion.soonest_days))
      : t.between(spanText(exhaustion.soonest_days), spanText(exhaustion.latest_days));
  return [day, interval].filter(Boolean).join(", ");
}

function Row({ full, isOpen, onToggle }: { full: FullView; isOpen: boolean; onToggle: () => void }) {
  const t = useMessages(messages);
  const { exhaustion } = full;
  const unit = full.metric.endsWith("_bytes") ? "bytes" : full.metric === "cpu_percent" ? "percent" : "count";
  const Icon = isOpen ? ChevronDown : ChevronRight;
  return (
    <li>
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={onToggle}
        className="grid w-full grid-cols-[1rem_minmax(0,1fr)] items-center gap-x-3 gap-y-0.5 px-4 py-2.5 text-left text-sm hover:bg-hover sm:grid-cols-[1rem_minmax(0,2fr)_minmax(0,1fr)_minmax(0,2fr)_minmax(0,1fr)]"
      >
        <Icon aria-hidden className="size-4 text-muted" />
        <span className="min-w-0 truncate">
          <span className="font-medium">{full.subject}</span>{" "}
          <span className="text-muted">{t.metrics[full.metric] ?? full.metric}</span>
        </span>
        <span className={cn("tabular", "max-sm:col-start-2")}>
          <Status tone={toneOf(exhaustion)}>{whenText(exhaustion)}</Status>
        </span>
        <span className="tabular text-muted max-sm:col-start-2">{intervalText(exhaustion)}</span>
        <span className="tabular text-right text-muted max-sm:hidden">
          {exhaustion.limit !== null &&
            t.of(formatValue(exhaustion.limit, unit), formatPercent(exhaustion.at_percent))}
        </span>
      </button>
      {isOpen && <Course full={full} unit={unit} />}
    </li>
  );
}
