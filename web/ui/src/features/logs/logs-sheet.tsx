import { useMutation, useQuery } from "@tanstack/react-query";
import { ArrowDown, Download, ScrollText } from "lucide-react";
import { memo, type ReactNode, useCallback, useLayoutEffect, useMemo, useRef, useState } from "react";
import { containersQuery } from "@/api/queries";
import { Empty, Failed, Loading } from "@/components/states";
import { Badge, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { Sheet } from "@/components/ui/sheet";
import { cn } from "@/lib/cn";
import { formatClock, formatCount, formatMoment, plural, shortId } from "@/lib/format";
import { plainText, spansOf } from "./ansi";
import { downloadLogs } from "./download-logs";
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
          className="min-w-0 max-sm:w-full sm:max-w-72 sm:flex-1"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <Toggle isOn={hasTimes} onChange={setHasTimes}>
          Times
        </Toggle>
        <Toggle isOn={isWrapped} onChange={setIsWrapped}>
          Wrap
        </Toggle>
        <span className="tabular ml-auto text-sm text-muted max-sm:hidden">
          {text === ""
            ? plural(shown.length, "line")
            : `${formatCount(shown.length)} of ${plural(state.lines.length, "line")}`}
        </span>
        <DownloadButton
          containerId={containerId}
          nodeId={nodeId}
          name={container?.name ?? shortId(containerId)}
        />
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

/** All there is, as text, into a file. */
function DownloadButton({
  containerId,
  nodeId,
  name,
}: {
  containerId: string;
  nodeId: string;
  name: string;
}) {
  const download = useMutation({
    mutationFn: () => downloadLogs({ containerId, nodeId, fileName: `${name}.log` }),
  });
  return (
    <Button disabled={download.isPending} onClick={() => download.mutate()} className="max-sm:ml-auto">
      <Download aria-hidden className="size-3.5" />
      {download.isPending ? "Fetching…" : "Download"}
    </Button>
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
  const content = useRef<HTMLDivElement>(null);
  const place = useRef({ isAtEnd: true, top: 0 });
  const [isAtEnd, setIsAtEnd] = useState(true);
  const [seen, setSeen] = useState(0);
  const newest = lines.at(-1)?.number ?? 0;
  const hasLines = lines.length > 0;

  const toEnd = useCallback(() => {
    if (scroller.current !== null) scroller.current.scrollTop = scroller.current.scrollHeight;
  }, []);

  // Lines get their real height only when they come into sight, so the end moves without a new line.
  useLayoutEffect(() => {
    if (!hasLines || content.current === null) return;
    const observer = new ResizeObserver(() => place.current.isAtEnd && toEnd());
    observer.observe(content.current);
    return () => observer.disconnect();
  }, [hasLines, toEnd]);

  const setPlace = (reached: boolean) => {
    if (place.current.isAtEnd && !reached) setSeen(newest);
    place.current.isAtEnd = reached;
    setIsAtEnd(reached);
  };

  // Only scrolling back leaves the end: growth does not.
  const onScroll = () => {
    const element = scroller.current;
    if (element === null) return;
    const isBack = element.scrollTop < place.current.top;
    place.current.top = element.scrollTop;
    const reached = element.scrollHeight - element.scrollTop - element.clientHeight < END_PX;
    if (reached || isBack) setPlace(reached);
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
        className="absolute inset-0 overflow-auto font-mono text-xs leading-5 -outline-offset-2"
      >
        <div ref={content} className="py-2">
          {state.dropped > 0 && (
            <p className="px-4 pb-1 text-muted">
              {plural(state.dropped, "older line")} not shown; the download has them.
            </p>
          )}
          {lines.map((line) => (
            <Line key={line.number} line={line} hasTimes={hasTimes} isWrapped={isWrapped} />
          ))}
        </div>
      </div>
      {!isAtEnd && (
        <Button
          tone="primary"
          className="absolute bottom-4 left-1/2 -translate-x-1/2 shadow-float"
          onClick={() => {
            setPlace(true);
            toEnd();
          }}
        >
          <ArrowDown aria-hidden className="size-3.5" />
          {unseen > 0 ? plural(unseen, "new line") : "To the end"}
        </Button>
      )}
    </div>
  );
}

const Line = memo(function Line({
  line,
  hasTimes,
  isWrapped,
}: {
  line: NumberedLine;
  hasTimes: boolean;
  isWrapped: boolean;
}) {
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
});

function linesWith(lines: readonly NumberedLine[], text: string): readonly NumberedLine[] {
  if (text === "") return lines;
  const wanted = text.toLowerCase();
  return lines.filter((line) => plainText(line.text).toLowerCase().includes(wanted));
}
