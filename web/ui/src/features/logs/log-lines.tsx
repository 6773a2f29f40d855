import { ArrowDown, LoaderCircle } from "lucide-react";
import {
  type KeyboardEvent,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { Button } from "@/components/ui/button";
import { serverNow } from "@/lib/clock";
import { useMessages } from "@/lib/i18n";
import { type Entry, isAt, type Place, parsePlace, placeOf } from "./entries";
import { heightOfRow, type Layout, type Look, layoutOf } from "./layout";
import type { LogModel } from "./log-model";
import { LogRow, type RowActions } from "./log-row";
import { messages } from "./messages";
import { RowHeights } from "./row-heights";
import { type Row, rowIndexOf } from "./rows";

/** Within this of the end, new lines keep the end in sight. */
const END_PX = 40;
/** Within this of the beginning, older lines are read. */
const OLDER_PX = 600;
const OVERSCAN = 8;
/** Faster than this, readers are not told of each line. */
const SPOKEN_RATE_MAX = 3;
const PROBE = "0".repeat(100);

export interface LogLinesProps {
  model: LogModel;
  look: Look;
  expression: RegExp | null;
  selected: string | undefined;
  onSelect: (place: string | undefined) => void;
  isFollowing: boolean;
  onFollowing: (on: boolean) => void;
  onAround: (entry: Entry) => void;
  onOnly: (entry: Entry) => void;
  linkTo: (entry: Entry) => string;
}

/** The lines of a log, of which only those in sight are in the page. */
export function LogLines(props: LogLinesProps) {
  const { model, look, expression, selected, onSelect, isFollowing, onFollowing } = props;
  const t = useMessages(messages);
  const scroller = useRef<HTMLDivElement>(null);
  const probe = useRef<HTMLSpanElement>(null);
  const heights = useRef(new RowHeights());
  const place = useRef({ top: 0, viewport: 600, anchor: null as Entry | null, anchorOffset: 0 });
  const [size, setSize] = useState({ width: 800, height: 600, character: 7.2 });
  const [, scrolled] = useState(0);
  const [opened, setOpened] = useState<Entry | null>(null);
  const openHeight = useRef<{ row: Row | null; height: number }>({ row: null, height: 0 });
  const revealed = useRef("");

  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => {
      const character = (probe.current?.getBoundingClientRect().width ?? 720) / PROBE.length;
      setSize({ width: element.clientWidth, height: element.clientHeight, character });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const lookKey = JSON.stringify(look);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is all of the look
  const layout: Layout = useMemo(
    () => layoutOf(look, size.width, size.character),
    [lookKey, size.width, size.character],
  );

  const { rows } = model;
  const nowMs = serverNow();
  heights.current.layOut(rows.length, (index) => {
    const row = rows[index];
    if (row === undefined) return 0;
    const isOpen = opened !== null && row.head === opened;
    if (isOpen && openHeight.current.row === row) return openHeight.current.height;
    return heightOfRow(row, layout);
  });

  // Before rows are where they will be: what was at the top stays there, or the end stays in sight.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const { anchor, anchorOffset } = place.current;
    if (isFollowing) element.scrollTop = element.scrollHeight;
    else if (anchor !== null) {
      const index = rows.findIndex((row) => row.head === anchor);
      const wanted = heights.current.topOf(index) + anchorOffset;
      if (index >= 0 && Math.abs(wanted - element.scrollTop) > 1) element.scrollTop = wanted;
    }
    place.current.top = element.scrollTop;
  });

  const toPlace = useCallback(
    (wanted: Place) => {
      const index = rowIndexOf(rows, (entry) => isAt(entry, wanted));
      const element = scroller.current;
      if (index < 0 || element === null) return false;
      const row = rows[index];
      place.current.anchor = row?.head ?? null;
      place.current.anchorOffset = -Math.round(element.clientHeight / 3);
      element.scrollTop = heights.current.topOf(index) + place.current.anchorOffset;
      scrolled((count) => count + 1);
      return true;
    },
    [rows],
  );

  // A line that is meant by the address or a search comes into sight once it is there.
  useEffect(() => {
    const wanted = parsePlace(selected);
    if (selected === undefined || wanted === null || revealed.current === selected) return;
    if (isFollowing) onFollowing(false);
    if (toPlace(wanted)) revealed.current = selected;
  });
  const { atUs } = model.wish;
  const isThere = useRef<number | null>(null);
  useEffect(() => {
    if (atUs === null || selected !== undefined || isThere.current === atUs || rows.length === 0) return;
    isThere.current = atUs;
    const index = rows.findIndex((row) => row.head.atUs >= atUs);
    const element = scroller.current;
    if (element === null) return;
    place.current.anchor = rows[index < 0 ? rows.length - 1 : index]?.head ?? null;
    place.current.anchorOffset = -60;
    element.scrollTop = heights.current.topOf(index < 0 ? rows.length : index) - 60;
    scrolled((count) => count + 1);
  });

  const onScroll = () => {
    const element = scroller.current;
    if (element === null) return;
    const { scrollTop } = element;
    const isBack = scrollTop < place.current.top - 1;
    place.current.top = scrollTop;
    const index = heights.current.indexAt(scrollTop);
    place.current.anchor = rows[index]?.head ?? null;
    place.current.anchorOffset = scrollTop - heights.current.topOf(index);
    const isAtEnd = element.scrollHeight - scrollTop - element.clientHeight < END_PX;
    if (isFollowing && isBack && !isAtEnd) onFollowing(false);
    if (!isFollowing && isAtEnd && !isBack && model.phase === "live" && !model.hasNewer) onFollowing(true);
    if (scrollTop < OLDER_PX && model.hasOlder) void model.loadOlder();
    if (isAtEnd && model.hasNewer) void model.loadNewer();
    scrolled((count) => count + 1);
  };

  const actions: RowActions = useMemo(
    () => ({
      onToggle: (entry) => setOpened((before) => (before === entry ? null : entry)),
      onAround: props.onAround,
      onOnly: props.onOnly,
      linkTo: props.linkTo,
      onHeight: (row, height) => {
        if (openHeight.current.row === row && openHeight.current.height === height) return;
        openHeight.current = { row, height };
        scrolled((count) => count + 1);
      },
    }),
    [props.onAround, props.onOnly, props.linkTo],
  );

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== scroller.current) return;
    const chosen = parsePlace(selected);
    const index = chosen === null ? -1 : rowIndexOf(rows, (entry) => isAt(entry, chosen));
    if (event.key === "Escape" && (selected !== undefined || opened !== null)) {
      setOpened(null);
      onSelect(undefined);
    } else if (event.key === "Enter") {
      const row = rows[index] ?? rows[heights.current.indexAt(place.current.top + size.height / 2)];
      if (row !== undefined) {
        setOpened((before) => (before === row.head ? null : row.head));
        onSelect(placeOf(row.head));
      }
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && index >= 0) {
      const row = rows[index + (event.key === "ArrowDown" ? 1 : -1)];
      if (row !== undefined) onSelect(placeOf(row.head));
    } else return;
    event.preventDefault();
  };

  const { first, end } = heights.current.windowOf(place.current.top, size.height, OVERSCAN);
  const shown = isFollowing
    ? heights.current.windowOf(heights.current.total - size.height, size.height, OVERSCAN)
    : { first, end };
  const chosen = parsePlace(selected);
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        role="log"
        aria-label={t.region}
        aria-live={model.rate(performance.now()) > SPOKEN_RATE_MAX || !isFollowing ? "off" : "polite"}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard
        tabIndex={0}
        onScroll={onScroll}
        onKeyDown={onKeyDown}
        className="absolute inset-0 overflow-auto font-mono text-xs leading-5 -outline-offset-2 [overflow-anchor:none]"
      >
        <span ref={probe} aria-hidden className="invisible absolute">
          {PROBE}
        </span>
        <div className="relative min-w-full" style={{ height: `${heights.current.total}px` }}>
          <div
            className={look.isWrapped ? "absolute inset-x-0" : "absolute left-0 w-max min-w-full"}
            style={{ top: `${heights.current.topOf(shown.first)}px` }}
          >
            {rows.slice(shown.first, shown.end).map((row, offset) => (
              <LogRow
                key={placeOf(row.head)}
                row={row}
                restCount={row.rest.length}
                layout={layout}
                expression={expression}
                isSelected={
                  chosen !== null && (isAt(row.head, chosen) || row.rest.some((entry) => isAt(entry, chosen)))
                }
                isOpen={opened === row.head}
                isApart={isApart(rows[shown.first + offset - 1], row)}
                nowMs={look.timeMode === "relative" ? nowMs : Math.floor(nowMs / 60_000) * 60_000}
                actions={actions}
              />
            ))}
          </div>
        </div>
      </div>
      {model.isLoadingOlder && (
        <p
          role="status"
          className="absolute top-2 left-1/2 flex -translate-x-1/2 items-center gap-2 rounded-md border border-line bg-raised px-3 py-1 text-sm text-muted shadow-float"
        >
          <LoaderCircle aria-hidden className="size-3.5 animate-spin motion-reduce:animate-none" />
          {t.loadingOlder}
        </p>
      )}
      {!isFollowing && model.phase !== "past" && (
        <Button
          tone="primary"
          className="absolute bottom-4 left-1/2 -translate-x-1/2 shadow-float"
          onClick={() => onFollowing(true)}
        >
          <ArrowDown aria-hidden className="size-3.5" />
          {model.waiting > 0 ? t.newLines(model.waiting) : t.toEnd}
        </Button>
      )}
    </div>
  );
}

/** Whether lines of one container are left out between two rows: only those around matches are shown. */
function isApart(before: Row | undefined, row: Row): boolean {
  if (before === undefined) return false;
  const last = before.rest[before.rest.length - 1] ?? before.head;
  const hasContext = !row.head.isMatch || !last.isMatch;
  return hasContext && last.source === row.head.source && row.head.ordinal > last.ordinal + 1;
}
