import { Crown, TriangleAlert } from "lucide-react";
import { HOST_SUBJECT, latest, seriesOf } from "@/api/metrics";
import type { HostLiveView, NodeView } from "@/api/openapi";
import { Sentence } from "@/components/sentence";
import { Sparkline } from "@/components/sparkline";
import { Badge } from "@/components/ui/badge";
import { Card } from "@/components/ui/section";
import { useNow } from "@/lib/clock";
import { cn } from "@/lib/cn";
import {
  capital,
  formatBytes,
  formatCount,
  formatDuration,
  formatMoment,
  formatPercent,
  formatSize,
  UNKNOWN,
} from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { statusOf } from "./host-status";
import { messages } from "./messages";

interface HostCardProps {
  node: NodeView;
  live: HostLiveView | undefined;
  /** Whether its numbers are of now. */
  isCurrent: boolean;
  onOpen: () => void;
}

export function HostCard({ node, live, isCurrent, onOpen }: HostCardProps) {
  const t = useMessages(messages);
  const { tone, word } = statusOf(node, isCurrent);
  const cpu = seriesOf(live, HOST_SUBJECT, "cpu_percent");
  const memory = seriesOf(live, HOST_SUBJECT, "memory_bytes");
  const memoryTotal = node.facts.memory_bytes || latest(seriesOf(live, HOST_SUBJECT, "memory_limit_bytes"));
  return (
    <Card
      className={cn(
        "relative flex h-full flex-col hover:border-line-strong",
        tone === "bad" && "border-bad-mark/50",
        tone === "warn" && "border-warn-mark/60",
      )}
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
            {t.leader}
          </span>
        )}
        <span className="ml-auto flex items-center gap-1.5">
          {node.is_draining && <Badge tone="warn">{t.draining}</Badge>}
          <Badge tone={tone} title={serverWords(node.status_reason)}>
            {word}
          </Badge>
        </span>
      </div>
      <p className="truncate px-4 text-xs text-muted">
        {t.roles[node.role]} · {node.api_address || node.address}
      </p>
      <div className="mt-3 grid grid-cols-2 gap-4 px-4">
        <Course
          term={t.cpu}
          value={formatPercent(isCurrent ? (latest(cpu) ?? node.cpu_percent) : null)}
          whole={node.facts.cpu_count > 0 ? t.cores(node.facts.cpu_count) : ""}
          values={cpu?.values ?? []}
          top={100}
          className={isCurrent ? "text-series-1" : "text-muted"}
        />
        <Course
          term={t.memory}
          value={formatBytes(isCurrent ? (latest(memory) ?? node.memory_bytes) : null)}
          whole={memoryTotal ? t.of(formatSize(memoryTotal)) : ""}
          values={memory?.values ?? []}
          top={memoryTotal}
          className={isCurrent ? "text-series-2" : "text-muted"}
        />
      </div>
      <div className="mt-auto border-t border-line px-4 py-2 text-xs">
        {node.status === "up" && node.problem === "" ? <Facts node={node} /> : <Trouble node={node} />}
      </div>
    </Card>
  );
}

function Facts({ node }: { node: NodeView }) {
  const t = useMessages(messages);
  return (
    <dl className="tabular flex gap-x-3 whitespace-nowrap text-muted">
      <div className="flex flex-row-reverse gap-1">
        <dt>{t.containers}</dt>
        <dd className="text-text">
          {node.containers === null
            ? UNKNOWN
            : `${formatCount(node.containers.running)}/${formatCount(node.containers.total)}`}
        </dd>
      </div>
      <div className="ml-auto flex min-w-0 gap-1">
        <dt>Docker</dt>
        <dd className="truncate text-text" title={node.facts.docker_version}>
          {node.facts.docker_version || UNKNOWN}
        </dd>
      </div>
    </dl>
  );
}

/** What is wrong with the host, and since when. */
function Trouble({ node }: { node: NodeView }) {
  const t = useMessages(messages);
  const now = useNow();
  const isUp = node.status === "up";
  const sinceMs = isUp ? node.last_seen_ms : node.status_at_ms;
  const lasted = sinceMs === null ? "" : formatDuration(now - sinceMs);
  const { tone, word } = statusOf(node, true);
  return (
    <p
      className={cn("flex items-center gap-1.5", tone === "bad" ? "text-bad" : "text-warn")}
      title={sinceMs === null ? undefined : t.since(formatMoment(sinceMs))}
    >
      <TriangleAlert aria-hidden className="size-3.5 shrink-0" />
      {isUp ? (
        <>
          <span className="min-w-0 flex-1 truncate" title={serverWords(node.problem)}>
            <Sentence text={node.problem} isCapital />
          </span>
          <span className="tabular shrink-0 font-medium">{lasted}</span>
        </>
      ) : (
        <>
          <span className="tabular shrink-0 font-medium">{capital(t.for(word, lasted))}</span>
          {node.status_reason !== "" && (
            <span className="min-w-0 truncate">
              (<Sentence text={node.status_reason} />)
            </span>
          )}
        </>
      )}
    </p>
  );
}

interface CourseProps {
  term: string;
  value: string;
  /** What the value is a part of. */
  whole: string;
  values: readonly (number | null)[];
  top: number | null | undefined;
  className: string;
}

function Course({ term, value, whole, values, top, className }: CourseProps) {
  const t = useMessages(messages);
  return (
    <div className="min-w-0">
      <p className="tabular flex justify-between gap-2 text-xs text-muted">
        <span>{term}</span>
        <span className="truncate">{whole}</span>
      </p>
      <p className="tabular text-lg/6 font-semibold">{value}</p>
      <div className={cn("mt-1.5 mb-3 h-9 border-b border-line", className)}>
        {values.some((each) => each !== null) && (
          <Sparkline
            values={values}
            top={top}
            label={t.courseOf(term, value, whole)}
            className="h-full w-full"
          />
        )}
      </div>
    </div>
  );
}
