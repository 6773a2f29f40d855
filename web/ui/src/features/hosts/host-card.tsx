import { Crown } from "lucide-react";
import { HOST_SUBJECT, latest, seriesOf } from "@/api/metrics";
import type { HostLiveView, NodeView } from "@/api/openapi";
import { Sparkline } from "@/components/sparkline";
import { Badge } from "@/components/ui/badge";
import { Card } from "@/components/ui/section";
import { useNow } from "@/lib/clock";
import { cn } from "@/lib/cn";
import {
  formatAge,
  formatBytes,
  formatCount,
  formatMoment,
  formatPercent,
  formatSize,
  UNKNOWN,
} from "@/lib/format";
import { statusOf } from "./host-status";

interface HostCardProps {
  node: NodeView;
  live: HostLiveView | undefined;
  onOpen: () => void;
}

export function HostCard({ node, live, onOpen }: HostCardProps) {
  const now = useNow();
  const { tone, word } = statusOf(node);
  const isGone = node.status === "down";
  const cpu = seriesOf(live, HOST_SUBJECT, "cpu_percent");
  const memory = seriesOf(live, HOST_SUBJECT, "memory_bytes");
  const memoryTotal = node.facts.memory_bytes || latest(seriesOf(live, HOST_SUBJECT, "memory_limit_bytes"));
  const cpuNow = isGone ? null : (latest(cpu) ?? node.cpu_percent);
  const memoryNow = isGone ? null : (latest(memory) ?? node.memory_bytes);
  return (
    <Card
      className={cn("relative flex h-full flex-col hover:border-line-strong", isGone && "border-bad-mark/50")}
    >
      <div className="flex items-center gap-2 px-4 pt-3">
        <h3 className="min-w-0 truncate text-base font-semibold">
          {/* The button covers the card, so that all of it can be pressed. */}
          <button type="button" onClick={onOpen} className="after:absolute after:inset-0 after:rounded-lg">
            {node.name}
          </button>
        </h3>
        {node.is_leader && (
          <span className="inline-flex items-center gap-1 text-xs font-medium text-accent">
            <Crown aria-hidden className="size-3.5" />
            leader
          </span>
        )}
        <span className="ml-auto flex items-center gap-1.5">
          {node.is_draining && <Badge tone="warn">draining</Badge>}
          <Badge tone={tone} title={node.status_reason}>
            {word}
          </Badge>
        </span>
      </div>
      <p className="truncate px-4 text-xs text-muted">
        {isGone && node.status_reason !== ""
          ? node.status_reason
          : `${node.role} · ${node.api_address || node.address}`}
      </p>
      <div className="mt-3 grid grid-cols-2 gap-4 px-4">
        <Course
          term="CPU"
          value={formatPercent(cpuNow)}
          detail={node.facts.cpu_count > 0 ? `of ${formatCount(node.facts.cpu_count)} cores` : ""}
          values={isGone ? [] : (cpu?.values ?? [])}
          top={100}
          className="text-series-1"
        />
        <Course
          term="Memory"
          value={formatBytes(memoryNow)}
          detail={memoryTotal ? `of ${formatSize(memoryTotal)}` : ""}
          values={isGone ? [] : (memory?.values ?? [])}
          top={memoryTotal}
          className="text-series-2"
        />
      </div>
      <dl className="tabular mt-auto flex gap-x-3 border-t border-line px-4 py-2 text-xs whitespace-nowrap text-muted">
        <div className="flex flex-row-reverse gap-1">
          <dt>containers</dt>
          <dd className="text-text">
            {node.containers === null
              ? UNKNOWN
              : `${formatCount(node.containers.running)}/${formatCount(node.containers.total)}`}
          </dd>
        </div>
        <div className="flex min-w-0 gap-1">
          <dt>Docker</dt>
          <dd className="truncate text-text">{node.facts.docker_version || UNKNOWN}</dd>
        </div>
        <div className="ml-auto">
          <dt className="sr-only">Last seen</dt>
          <dd
            title={
              node.last_seen_ms === null ? "Last seen: never" : `Last seen ${formatMoment(node.last_seen_ms)}`
            }
            className={cn(node.status === "up" ? "text-text" : "font-medium text-bad")}
          >
            {formatAge(node.last_seen_ms, now)}
          </dd>
        </div>
      </dl>
    </Card>
  );
}

interface CourseProps {
  term: string;
  value: string;
  detail: string;
  values: readonly (number | null)[];
  top: number | null | undefined;
  className: string;
}

function Course({ term, value, detail, values, top, className }: CourseProps) {
  return (
    <div className="min-w-0">
      <p className="text-xs text-muted">{term}</p>
      <p className="tabular truncate">
        <span className="text-lg/6 font-semibold">{value}</span>{" "}
        <span className="text-2xs text-muted">{detail}</span>
      </p>
      <div className={cn("mt-1.5 mb-3 h-9 border-b border-line", className)}>
        {values.length > 0 && (
          <Sparkline
            values={values}
            top={top}
            label={`${term} over the last ten minutes, now ${value} ${detail}`}
            className="h-full w-full"
          />
        )}
      </div>
    </div>
  );
}
