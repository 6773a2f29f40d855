import { ChevronRight, Copy, Crosshair, Link as LinkIcon, ListFilter } from "lucide-react";
import { memo, useLayoutEffect, useRef } from "react";
import { copyText } from "@/components/copying";
import { Button } from "@/components/ui/button";
import { cn } from "@/lib/cn";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { spansOf } from "./ansi";
import { LEVEL_EDGE, LEVEL_TEXT, SOURCE_MARKS } from "./colours";
import { type Entry, placeOf } from "./entries";
import { eventText } from "./event-text";
import type { JsonLine } from "./json-line";
import { shownFields } from "./json-line";
import type { Layout } from "./layout";
import { markPieces, type Piece, stretchesOf } from "./matching";
import { messages } from "./messages";
import { readingOf, shownText } from "./row-view";
import type { Row } from "./rows";
import { stampOf } from "./times";

export interface RowActions {
  onToggle: (entry: Entry) => void;
  onAround: (entry: Entry) => void;
  onOnly: (entry: Entry) => void;
  linkTo: (entry: Entry) => string;
  onHeight: (row: Row, height: number) => void;
}

interface LogRowProps {
  row: Row;
  /** A row is the same object when lines were added to it: their number says so. */
  restCount: number;
  layout: Layout;
  expression: RegExp | null;
  isSelected: boolean;
  isOpen: boolean;
  nowMs: number;
  /** Lines between the row before and this one are left out. */
  isApart: boolean;
  actions: RowActions;
}

/** A line, with its stack trace below it and its details when it is open. */
export const LogRow = memo(function LogRow(props: LogRowProps) {
  const { row, layout, expression, isSelected, isOpen, nowMs, isApart, actions } = props;
  const t = useMessages(messages);
  const { head } = row;
  const element = useRef<HTMLDivElement>(null);
  const { look } = layout;
  useLayoutEffect(() => {
    if (!isOpen || element.current === null) return;
    const { current } = element;
    const observer = new ResizeObserver(() => actions.onHeight(row, current.offsetHeight));
    observer.observe(current);
    return () => observer.disconnect();
  }, [isOpen, row, actions]);
  const isEvent = head.stream === "event";
  const stamp =
    look.timeMode === "off" ? null : (
      <time
        className="tabular shrink-0 text-muted select-none"
        style={layout.isNarrow ? undefined : { width: `${layout.stampPx}px` }}
        title={formatMoment(Math.floor(head.atUs / 1_000))}
      >
        {stampOf(head.atUs, look.timeMode, nowMs)}
      </time>
    );
  const name = look.isNamed ? <SourceName entry={head} layout={layout} /> : null;
  const toggle = (
    <button
      type="button"
      tabIndex={-1}
      aria-expanded={isOpen}
      aria-label={isOpen ? t.hideDetails : t.details}
      onClick={() => actions.onToggle(head)}
      className={cn(
        "flex items-center justify-center rounded text-muted hover:text-text focus-visible:opacity-100",
        layout.isNarrow ? "-my-2 ml-auto size-8" : "absolute top-0 right-0 size-5 bg-surface shadow-card",
        !layout.isNarrow && !isOpen && "opacity-0 group-hover:opacity-100 pointer-coarse:opacity-100",
      )}
    >
      <ChevronRight aria-hidden className={cn("size-3.5 transition-transform", isOpen && "rotate-90")} />
    </button>
  );
  return (
    <div
      ref={element}
      data-line={placeOf(head)}
      className={cn(
        "group border-l-2 px-3",
        LEVEL_EDGE[head.level],
        isSelected ? "bg-accent-soft" : isEvent ? "bg-hover" : "hover:bg-hover",
        isApart && "shadow-[inset_0_1px_0_var(--line-strong)]",
      )}
    >
      {layout.isNarrow && (
        <div className="flex h-[18px] items-center gap-2 overflow-hidden text-2xs">
          {stamp}
          {name}
          {toggle}
        </div>
      )}
      <div className={cn("relative flex gap-3", !look.isWrapped && "w-max min-w-full")}>
        {!layout.isNarrow && stamp}
        {!layout.isNarrow && name}
        <span
          className={cn(
            "min-w-0 flex-1",
            look.isWrapped ? "break-all whitespace-pre-wrap" : "whitespace-pre",
          )}
        >
          {isEvent ? (
            <span className="block truncate font-sans text-sm leading-5">
              <span
                className={cn("font-medium", head.level === "info" ? "text-accent" : LEVEL_TEXT[head.level])}
              >
                {eventText(head, t)}
              </span>
              {head.event?.event === "start" && (
                <span className="text-muted"> · {String(head.event.image ?? "")}</span>
              )}
            </span>
          ) : (
            <LineText entry={head} fields={look.fields} expression={expression} />
          )}
        </span>
        {!layout.isNarrow && toggle}
      </div>
      {row.rest.map((entry) => (
        <div
          key={entry.ordinal}
          className={cn(
            "border-l border-line-strong pl-[calc(2ch-1px)]",
            look.isWrapped ? "break-all whitespace-pre-wrap" : "w-max whitespace-pre",
          )}
          style={
            layout.isNarrow
              ? undefined
              : {
                  marginLeft: `${(layout.stampPx && layout.stampPx + 12) + (layout.namePx && layout.namePx + 12)}px`,
                }
          }
        >
          <LineText entry={entry} fields={look.fields} expression={expression} />
        </div>
      ))}
      {isOpen && <Details entry={head} actions={actions} />}
    </div>
  );
});

function SourceName({ entry, layout }: { entry: Entry; layout: Layout }) {
  const { source } = entry;
  return (
    <span
      className="flex shrink-0 items-center gap-1.5 overflow-hidden select-none"
      style={layout.isNarrow ? undefined : { width: `${layout.namePx}px`, height: "20px" }}
      title={`${source.name} · ${source.node_name}`}
    >
      <span aria-hidden className={cn("size-2 shrink-0 rounded-full", SOURCE_MARKS[source.colour])} />
      <span className="truncate text-muted">{source.name}</span>
    </span>
  );
}

interface LineTextProps {
  entry: Entry;
  fields: readonly string[];
  expression: RegExp | null;
}

const MARK = "rounded-[2px] bg-warn-soft text-text outline outline-1 outline-warn-mark";

function LineText({ entry, fields, expression }: LineTextProps) {
  const t = useMessages(messages);
  const { json } = readingOf(entry);
  const text = shownText(entry, fields);
  const pieces = entry.isMatch
    ? json === null
      ? spansOf(entry.text)
      : jsonPieces(json, fields)
    : [{ text, className: "text-muted" }];
  const isGrave = entry.level === "error" || entry.level === "fatal";
  return (
    <>
      {entry.stream === "stderr" && <span className="sr-only">{t.stream.stderr}: </span>}
      {isGrave && <span className="sr-only">{t.level[entry.level]}: </span>}
      {markPieces(pieces, stretchesOf(text, expression)).map((piece, index) => (
        <Part key={index} piece={piece} />
      ))}
    </>
  );
}

function Part({ piece }: { piece: Piece }) {
  if (piece.isMarked) return <mark className={MARK}>{piece.text}</mark>;
  return piece.className === "" ? piece.text : <span className={piece.className}>{piece.text}</span>;
}

/** The same characters as `jsonText`, with the names of fields set back. */
function jsonPieces(json: JsonLine, picked: readonly string[]): { text: string; className: string }[] {
  const pieces: { text: string; className: string }[] = [];
  if (json.message !== "") pieces.push({ text: json.message, className: "" });
  for (const [name, value] of shownFields(json, picked)) {
    const space = pieces.length > 0 ? " " : "";
    pieces.push({ text: `${space}${name}=`, className: "text-muted" });
    pieces.push({ text: value, className: "text-accent" });
  }
  return pieces;
}

function Details({ entry, actions }: { entry: Entry; actions: RowActions }) {
  const t = useMessages(messages);
  const { json, plain } = readingOf(entry);
  return (
    <div className="my-1.5 rounded-md border border-line bg-surface p-3 font-sans text-sm">
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-1">
        <dt className="text-muted">{t.from}</dt>
        <dd className="break-words">
          {entry.source.name} · {entry.source.node_name} · {t.level[entry.level]} · {t.stream[entry.stream]} ·{" "}
          <span className="tabular">{new Date(Math.floor(entry.atUs / 1_000)).toISOString()}</span>
        </dd>
        {json !== null &&
          [...(json.message === "" ? [] : [["message", json.message] as const]), ...json.fields].map(
            ([name, value]) => (
              <div key={name} className="contents">
                <dt className="font-mono text-xs leading-5 text-muted">{name}</dt>
                <dd className="font-mono text-xs leading-5 break-all whitespace-pre-wrap">{value}</dd>
              </div>
            ),
          )}
      </dl>
      <div className="mt-2.5 flex flex-wrap gap-2">
        <Button onClick={() => copyText(plain)}>
          <Copy aria-hidden className="size-3.5" />
          {t.copyLine}
        </Button>
        <Button onClick={() => copyText(actions.linkTo(entry))}>
          <LinkIcon aria-hidden className="size-3.5" />
          {t.copyLink}
        </Button>
        <Button onClick={() => actions.onAround(entry)}>
          <Crosshair aria-hidden className="size-3.5" />
          {t.showAround}
        </Button>
        <Button onClick={() => actions.onOnly(entry)}>
          <ListFilter aria-hidden className="size-3.5" />
          {t.onlyThis}
        </Button>
      </div>
    </div>
  );
}
