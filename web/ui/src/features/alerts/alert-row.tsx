import { Link } from "@tanstack/react-router";
import { BellOff, ChartLine, Check, ScrollText, Undo2 } from "lucide-react";
import { useEffect, useRef } from "react";
import { said } from "@/api/alerts";
import type { AlertView, ContainerView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { SEVERITY_TONES } from "@/components/tones";
import { Badge, StatusMark, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { useNow } from "@/lib/clock";
import { cn } from "@/lib/cn";
import { formatDuration, formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { chartOf, containerOf } from "./alert-list";
import { messages } from "./messages";

const STATE_TONES: Readonly<Record<string, Tone>> = {
  firing: "bad",
  acknowledged: "accent",
  silenced: "neutral",
  pending: "neutral",
  resolved: "ok",
};

interface AlertRowProps {
  alert: AlertView;
  containers: readonly ContainerView[];
  isPointedAt: boolean;
  onAcknowledge?: (alert: AlertView) => void;
  onWithdraw?: (alert: AlertView) => void;
  onSilence?: (alert: AlertView) => void;
}

const LINK =
  "inline-flex h-8 items-center gap-1.5 rounded-md px-2 text-sm font-medium text-muted hover:bg-hover hover:text-text pointer-coarse:h-10";

/** One alert: what is wrong, since when, what to do, and where to look. */
export function AlertRow({
  alert,
  containers,
  isPointedAt,
  onAcknowledge,
  onWithdraw,
  onSilence,
}: AlertRowProps) {
  const t = useMessages(messages);
  const can = useCan();
  const now = useNow();
  const row = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (isPointedAt) row.current?.scrollIntoView({ block: "center" });
  }, [isPointedAt]);
  const isOver = alert.state === "resolved";
  const chart = chartOf(alert, now);
  const container = containerOf(alert, containers);
  const detail = [
    said(alert, "usual"),
    isOver ? said(alert, "resolution") : said(alert, "next_step"),
    said(alert, "muted_by"),
  ].filter((sentence) => sentence !== "");
  return (
    <li
      ref={row}
      className={cn(
        "flex flex-col gap-x-4 gap-y-2 px-4 py-3 lg:flex-row lg:items-start",
        isPointedAt && "bg-accent-soft",
      )}
    >
      <div className="min-w-0 flex-1">
        <div className="flex items-start gap-2.5">
          <span className="mt-1.5 flex" title={t.severities[alert.severity]}>
            <StatusMark tone={SEVERITY_TONES[alert.severity] ?? "neutral"} />
          </span>
          <div className="min-w-0">
            <p className="font-medium break-words">{said(alert, "text")}</p>
            {detail.map((sentence) => (
              <p key={sentence} className="text-sm break-words text-muted">
                {sentence}
              </p>
            ))}
            <p className="tabular mt-1 flex flex-wrap items-center gap-x-2.5 gap-y-1 text-xs text-muted">
              <Badge tone={SEVERITY_TONES[alert.severity] ?? "neutral"}>{t.severities[alert.severity]}</Badge>
              {!isOver && <Badge tone={STATE_TONES[alert.state] ?? "neutral"}>{t.states[alert.state]}</Badge>}
              {alert.is_flapping && <Badge tone="warn">{t.flapping}</Badge>}
              <time dateTime={new Date(alert.since_ms).toISOString()} title={formatMoment(alert.since_ms)}>
                {isOver
                  ? `${formatMoment(alert.since_ms)} · ${t.lasted(formatDuration((alert.resolved_at_ms ?? now) - alert.since_ms))}`
                  : t.since(formatDuration(now - alert.since_ms))}
              </time>
              <span>#{alert.number}</span>
              <Link
                to="/alerts"
                search={{ tab: "rules", rule: alert.rule }}
                className="font-medium text-accent hover:underline"
              >
                {alert.rule}
              </Link>
              {alert.acknowledged_by !== "" && <span>{t.by(alert.acknowledged_by)}</span>}
              {alert.comment !== "" && <q className="text-text">{alert.comment}</q>}
              {alert.unseen_ms !== null && (
                <span className="text-warn">{t.unseen(formatDuration(now - alert.unseen_ms))}</span>
              )}
            </p>
          </div>
        </div>
      </div>
      <div className="flex shrink-0 flex-wrap items-center gap-1 max-lg:pl-4">
        {chart !== null && (
          <Link to="/explore" search={chart} className={LINK}>
            <ChartLine aria-hidden className="size-3.5" />
            {t.chart}
          </Link>
        )}
        {alert.subject.kind === "container" && can("container.logs") && (
          <Link to="/logs" search={{ c: alert.subject.name }} className={LINK}>
            <ScrollText aria-hidden className="size-3.5" />
            {t.logs}
          </Link>
        )}
        {container !== undefined && (
          <Link
            to="/containers/$node/$container"
            params={{ node: container.node_id, container: container.id }}
            className={LINK}
          >
            {t.container}
          </Link>
        )}
        {onAcknowledge !== undefined && alert.state === "firing" && can("alert.acknowledge") && (
          <Button onClick={() => onAcknowledge(alert)}>
            <Check aria-hidden className="size-3.5" />
            {t.acknowledge}
          </Button>
        )}
        {onWithdraw !== undefined && alert.state === "acknowledged" && can("alert.acknowledge") && (
          <Button onClick={() => onWithdraw(alert)}>
            <Undo2 aria-hidden className="size-3.5" />
            {t.withdraw}
          </Button>
        )}
        {onSilence !== undefined && alert.state !== "silenced" && can("silence.put") && (
          <Button onClick={() => onSilence(alert)}>
            <BellOff aria-hidden className="size-3.5" />
            {t.silence}
          </Button>
        )}
      </div>
    </li>
  );
}
