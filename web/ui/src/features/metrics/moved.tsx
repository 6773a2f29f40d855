import { useQuery } from "@tanstack/react-query";
import { ArrowDown, ArrowUp, MoveVertical, X } from "lucide-react";
import { correlationsQuery } from "@/api/observing";
import type { CorrelationsView, MovedView } from "@/api/openapi";
import { Loaded } from "@/components/loaded";
import { Sparkline } from "@/components/sparkline";
import { Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/section";
import { rangeLabel } from "@/lib/axis-time";
import { formatDuration } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { metricName } from "@/lib/metric-names";
import type { TimeRange } from "@/lib/time-range";
import { formatValue } from "@/lib/units";
import { messages } from "./messages";
import type { Subject } from "./subjects";

interface MovedProps {
  selection: TimeRange;
  about: { subject: string; metric: string } | undefined;
  onShow: (subject: Subject) => void;
  onClose: () => void;
}

/** What else moved in the stretch that was chosen, the surest first. */
export function Moved({ selection, about, onShow, onClose }: MovedProps) {
  const t = useMessages(messages);
  const query = useQuery(correlationsQuery(selection, about));
  return (
    <section aria-label={t.moved} className="min-w-0 xl:sticky xl:top-16 xl:self-start">
      <Card className="flex max-h-[80vh] flex-col">
        <header className="flex items-start gap-2 border-b border-line py-2 pr-2 pl-4">
          <div className="min-w-0 flex-1">
            <h2 className="text-base font-semibold">{t.moved}</h2>
            <p className="tabular text-xs text-muted">{rangeLabel(selection.startMs, selection.endMs)}</p>
          </div>
          <Button tone="ghost" isIcon aria-label={t.movedClose} title={t.movedClose} onClick={onClose}>
            <X aria-hidden className="size-4" />
          </Button>
        </header>
        <div className="min-h-0 overflow-y-auto">
          <Loaded query={query} loading={<Loading label={t.movedLooking} rows={8} />}>
            {(found) => <Found found={found} onShow={onShow} />}
          </Loaded>
        </div>
      </Card>
    </section>
  );
}

function Found({ found, onShow }: { found: CorrelationsView; onShow: (subject: Subject) => void }) {
  const t = useMessages(messages);
  return (
    <>
      {found.moved.length === 0 && <p className="px-4 py-6 text-center text-sm">{t.movedNone}</p>}
      <ol className="divide-y divide-line">
        {found.moved.map((moved) => (
          <li key={`${moved.subject} ${moved.metric}`}>
            <Row moved={moved} onShow={onShow} />
          </li>
        ))}
      </ol>
      <p className="tabular border-t border-line px-4 py-2 text-xs text-muted">
        {t.movedOf(found.series)}
        {found.notes.map((note) => ` · ${note}`)}
      </p>
    </>
  );
}

const ICONS = { rise: ArrowUp, fall: ArrowDown, spread: MoveVertical } as const;

function Row({ moved, onShow }: { moved: MovedView; onShow: (subject: Subject) => void }) {
  const t = useMessages(messages);
  const direction = moved.direction as keyof typeof ICONS;
  const Icon = ICONS[direction];
  const subject = subjectOf(moved);
  const change = `${formatValue(moved.before, moved.unit)} → ${formatValue(moved.during, moved.unit)}`;
  const lag = Math.abs(moved.lag_ms);
  const words = [
    moved.follows !== null && Math.abs(moved.follows) >= 0.5 && (moved.follows > 0 ? t.with : t.against),
    lag > 0 && (moved.lag_ms > 0 ? t.laterBy(formatDuration(lag)) : t.earlierBy(formatDuration(lag))),
  ].filter(Boolean);
  return (
    <button
      type="button"
      onClick={() => onShow(subject)}
      className="grid w-full grid-cols-[1fr_5rem] items-center gap-x-3 px-4 py-2 text-left hover:bg-hover"
    >
      <span className="min-w-0">
        <span className="flex items-baseline gap-1.5 text-sm">
          <span className="min-w-0 truncate font-medium">{nameOf(moved)}</span>
          <span className="shrink-0 text-muted">{metricName(moved.metric)}</span>
        </span>
        <span className="tabular mt-0.5 flex items-center gap-1 text-xs">
          <Icon aria-hidden className="size-3 shrink-0 text-muted" />
          <span className="sr-only">{t[direction]}</span>
          <span className="truncate">{change}</span>
        </span>
        <span className="block text-xs text-muted">
          {[t.score(Math.round(moved.score * 100)), ...words].join(" · ")}
        </span>
      </span>
      <span aria-hidden>
        <Sparkline values={moved.values} label="" className="h-8 w-full text-series-1" />
      </span>
    </button>
  );
}

function nameOf(moved: MovedView): string {
  if (moved.kind === "host") return moved.node;
  if (moved.kind === "disk") return `${moved.node}:${moved.name}`;
  // Each host's router measures for itself.
  return moved.kind === "route" ? `${moved.name} · ${moved.node}` : moved.name;
}

function subjectOf(moved: MovedView): Subject {
  if (moved.kind === "container") return { kind: "container", name: moved.name, node: moved.node };
  if (moved.kind === "route" && moved.service !== "") return { kind: "service", name: moved.service };
  return { kind: "host", name: moved.node };
}
