import { useQuery } from "@tanstack/react-query";
import { ArrowDown, Download, ScrollText } from "lucide-react";
import { type ReactNode, useLayoutEffect, useMemo, useRef, useState } from "react";
import { urlOf } from "@/api/client";
import { containersQuery } from "@/api/queries";
import { Empty, Failed, Loading } from "@/components/states";
import { Badge, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { Sheet } from "@/components/ui/sheet";
import { cn } from "@/lib/cn";
import { formatClock, formatCount, formatMoment, plural, shortId } from "@/lib/format";
import { plainText, spansOf } from "./ansi";
import type { LogPhase } from "./log-stream";
import { type LogState, type NumberedLine, useLogLines } from "./use-log-lines";

const TAIL = 500;
/** Within this of the end, new lines keep the end in sight. */
const END_PX = 40;

const PHASES: Record<LogPhase, { tone: Tone; word: string }> = {
  connecting: { tone: "neutral", word: "connecting" },
  following: { tone: "ok", word: "following" },
  ended: { tone: "neutral", word: "ended" },
  reconnecting: { tone: "warn", word: "reconnecting" },
};

interface LogsSheetProps {
  containerId: string;
  nodeId: string;
  onClose: () => void;
}

/** A container's output: the last lines, and then each as it is written. */
export default function LogsSheet({ containerId, nodeId, onClose }: LogsSheetProps) {
  const { data } = useQuery(containersQuery);
  const container = data?.containers.find((each) => each.id === containerId);
  const state = useLogLines({ containerId, nodeId, tail: TAIL });
  const [text, setText] = useState("");
  const [hasTimes, setHasTimes] = useState(true);
  const [isWrapped, setIsWrapped] = useState(true);
  const shown = useMemo(() => linesWith(state.lines, text), [state.lines, text]);
  const phase = PHASES[state.phase];
  return (
    <Sheet
      isWide
      title={`Logs of ${container?.name ?? shortId(containerId)}`}
      description={
        container === undefined ? "" : `${container.node_name} · ${container.image} · ${container.status}`
      }
      actions={<Badge tone={phase.tone}>{phase.word}</Badge>}
      onClose={onClose}
    >
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2 border-b border-line px-4 py-2">
        <Input
          type="search"
          aria-label="Show only lines with"
          placeholder="Only lines with…"
          className="min-w-0 flex-1 sm:max-w-72"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <Toggle isOn={hasTimes} onChange={setHasTimes}>
          Times
        </Toggle>
        <Toggle isOn={isWrapped} onChange={setIsWrapped}>
          Wrap
        </Toggle>
        <span className="tabular ml-auto text-sm text-muted">
          {text === ""
            ? plural(shown.length, "line")
            : `${formatCount(shown.length)} of ${plural(state.lines.length, "line")}`}
        </span>
        <a
          href={urlOf(`/logs/${encodeURIComponent(containerId)}`, {
            node: nodeId,
            tail: "all",
            timestamps: true,
            format: "text",
          })}
          download={`${container?.name ?? shortId(containerId)}.log`}
          className="inline-flex items-center gap-1.5 text-sm font-medium text-accent hover:underline"
        >
          <Download aria-hidden className="size-3.5" />
          Download all
        </a>
      </div>
      <Lines state={state} lines={shown} isFiltered={text !== ""} hasTimes={hasTimes} isWrapped={isWrapped} />
    </Sheet>
  );
}

function Toggle({
  isOn,
  onChange,
  children,
}: {
  isOn: boolean;
  onChange: (isOn: boolean) => void;
  children: ReactNode;
}) {
  return (
    <label className="inline-flex items-center gap-1.5 text-sm select-none">
      <input
        type="checkbox"
        className="size-3.5 accent-accent"
        checked={isOn}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      {children}
    </label>
  );
}

interface LinesProps {
  state: LogState;
  lines: readonly NumberedLine[];
  isFiltered: boolean;
  hasTimes: boolean;
  isWrapped: boolean;
}

function Lines({ state, lines, isFiltered, hasTimes, isWrapped }: LinesProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [isAtEnd, setIsAtEnd] = useState(true);
  const [seen, setSeen] = useState(0);
  const newest = lines.at(-1)?.number ?? 0;

  // biome-ignore lint/correctness/useExhaustiveDependencies: new lines are what moves the end
  useLayoutEffect(() => {
    if (isAtEnd && scroller.current !== null) scroller.current.scrollTop = scroller.current.scrollHeight;
  }, [lines, isAtEnd, isWrapped, hasTimes]);

  const onScroll = () => {
    const element = scroller.current;
    if (element === null) return;
    const reached = element.scrollHeight - element.scrollTop - element.clientHeight < END_PX;
    if (isAtEnd && !reached) setSeen(newest);
    setIsAtEnd(reached);
  };

  if (state.error !== null) return <Failed error={state.error} onRetry={() => window.location.reload()} />;
  if (lines.length === 0 && state.phase === "connecting")
    return <Loading label="Loading the logs" rows={10} />;
  if (lines.length === 0) {
    return (
      <Empty
        icon={<ScrollText className="size-5" />}
        title={isFiltered ? "No line has that" : "No output yet"}
      >
        {isFiltered
          ? "New lines that do will appear here."
          : "What the container writes appears here at once."}
      </Empty>
    );
  }
  const unseen = isAtEnd ? 0 : lines.filter((line) => line.number > seen).length;
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        role="log"
        aria-label="Log lines"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard
        tabIndex={0}
        onScroll={onScroll}
        className="absolute inset-0 overflow-auto py-2 font-mono text-xs leading-5 -outline-offset-2"
      >
        {state.dropped > 0 && (
          <p className="px-4 pb-1 text-muted">
            {plural(state.dropped, "older line")} not shown; the download has them.
          </p>
        )}
        {lines.map((line) => (
          <Line key={line.number} line={line} hasTimes={hasTimes} isWrapped={isWrapped} />
        ))}
      </div>
      {!isAtEnd && (
        <Button
          tone="primary"
          className="absolute bottom-4 left-1/2 -translate-x-1/2 shadow-float"
          onClick={() => setIsAtEnd(true)}
        >
          <ArrowDown aria-hidden className="size-3.5" />
          {unseen > 0 ? plural(unseen, "new line") : "To the end"}
        </Button>
      )}
    </div>
  );
}

function Line({ line, hasTimes, isWrapped }: { line: NumberedLine; hasTimes: boolean; isWrapped: boolean }) {
  const isError = line.stream === "stderr";
  return (
    <div
      className={cn(
        "flex gap-3 border-l-2 px-4 [contain-intrinsic-size:auto_20px] [content-visibility:auto]",
        isError ? "border-warn-mark" : "border-transparent",
        isWrapped ? "" : "w-max min-w-full",
      )}
    >
      {hasTimes && (
        <time className="tabular shrink-0 text-muted select-none" title={formatMoment(line.at_ms)}>
          {formatClock(line.at_ms)}
        </time>
      )}
      <span className={isWrapped ? "min-w-0 break-words whitespace-pre-wrap" : "whitespace-pre"}>
        {isError && <span className="sr-only">error output: </span>}
        {spansOf(line.text).map((span, index) =>
          span.className === "" ? (
            span.text
          ) : (
            <span key={index} className={span.className}>
              {span.text}
            </span>
          ),
        )}
      </span>
    </div>
  );
}

function linesWith(lines: readonly NumberedLine[], text: string): readonly NumberedLine[] {
  if (text === "") return lines;
  const wanted = text.toLowerCase();
  return lines.filter((line) => plainText(line.text).toLowerCase().includes(wanted));
}
