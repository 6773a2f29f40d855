import { ArrowDown, ArrowUp } from "lucide-react";
import { memo, useEffect, useMemo, useRef } from "react";
import type { ContainerView, SeriesView } from "@/api/openapi";
import { containerKey } from "@/api/queries";
import { Ago } from "@/components/ago";
import { Status } from "@/components/ui/badge";
import { SpacerRow } from "@/components/ui/spacer-row";
import { cn } from "@/lib/cn";
import { formatCount, parseImage, shortId, UNKNOWN } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { offsetsOf, useWindowedItems } from "@/lib/windowed-items";
import { ChoiceBox } from "./choice-box";
import type { Column } from "./columns";
import { CpuCell, MemoryCell } from "./container-numbers";
import { type ContainersView, type SortKey, serviceOf } from "./container-rows";
import { stateOf } from "./container-state";
import { keysOf, type ListProps } from "./list-props";
import { messages } from "./messages";
import { RowActions } from "./row-actions";
import { shareOf } from "./selection";

/** The ones out of sight need not exist, so that it has to be known how high they are. */
const ROW_HEIGHT = 40;
const GROUP_HEIGHT = 36;
/** Of the page's head and the table's own. */
const HIDDEN_ABOVE = 96;

const CLASSES: Record<Column | "name", string> = {
  name: "w-[20%] max-lg:w-[24%]",
  state: "w-[20%] lg:w-[18%]",
  image: "w-[16%] max-lg:hidden",
  cpu: "w-36 text-right",
  memory: "w-40 text-right max-lg:w-26",
  host: "w-[8%] min-w-20 pl-6",
  project: "w-[10%] max-xl:hidden",
  service: "w-[12%] max-xl:hidden",
  ports: "w-[10%] max-xl:hidden",
  created: "w-26 max-xl:hidden",
};

interface ContainerTableProps extends ListProps {
  columns: readonly Column[];
  onView: (change: Partial<ContainersView>) => void;
}

export function ContainerTable(props: ContainerTableProps) {
  const { items, columns, view, onView, selection, active, staleHosts, courses, onToggleAll } = props;
  const t = useMessages(messages);
  const body = useRef<HTMLTableSectionElement>(null);
  const offsets = useMemo(
    () => offsetsOf(items.map(({ kind }) => (kind === "group" ? GROUP_HEIGHT : ROW_HEIGHT))),
    [items],
  );
  const { first, end } = useWindowedItems(body, offsets);
  useActiveInSight(body, items, offsets, active);
  const keys = useMemo(() => keysOf(items), [items]);
  const span = columns.length + 3;
  return (
    <table className="w-full table-fixed border-separate border-spacing-0" aria-rowcount={items.length + 1}>
      <caption className="sr-only">{t.caption}</caption>
      <thead>
        <tr>
          <th
            scope="col"
            className="sticky top-12 z-10 h-9 w-10 rounded-tl-lg border-b border-line bg-surface pl-2"
          >
            <ChoiceBox
              label={t.chooseAll}
              share={shareOf(selection, keys)}
              onToggle={() => onToggleAll(keys)}
            />
          </th>
          {(["name", ...columns] as const).map((column) => (
            <Heading key={column} column={column} view={view} onView={onView} />
          ))}
          <th scope="col" className="sticky top-12 z-10 w-24 rounded-tr-lg border-b border-line bg-surface">
            <span className="sr-only">{t.actions}</span>
          </th>
        </tr>
      </thead>
      <tbody ref={body}>
        {first > 0 && <SpacerRow span={span} height={offsets[first] ?? 0} />}
        {items
          .slice(first, end)
          .map((item, index) =>
            item.kind === "group" ? (
              <GroupRow
                key={item.key}
                name={item.name || (view.group === "" ? "" : t.ungrouped[view.group])}
                keys={item.containers.map(containerKey)}
                span={span}
                position={first + index}
                selection={selection}
                onToggleAll={onToggleAll}
              />
            ) : (
              <Row
                key={item.key}
                container={item.container}
                columns={columns}
                position={first + index}
                isStale={staleHosts.has(item.container.node_id)}
                isChosen={selection.keys.has(item.key)}
                isActive={active === item.key}
                cpu={courses(item.container.node_id, item.container.id, "cpu_percent")}
                memory={courses(item.container.node_id, item.container.id, "memory_bytes")}
                can={props.can}
                wanted={props.wanted}
                onActive={props.onActive}
                onToggle={props.onToggle}
                onOpen={props.onOpen}
                onLogs={props.onLogs}
                onVerb={props.onVerb}
              />
            ),
          )}
        {end < items.length && (
          <SpacerRow span={span} height={(offsets[items.length] ?? 0) - (offsets[end] ?? 0)} />
        )}
      </tbody>
    </table>
  );
}

/** Scroll to the container that the keys have come to, when it is out of sight. */
function useActiveInSight(
  body: { readonly current: HTMLElement | null },
  items: ListProps["items"],
  offsets: Float64Array,
  active: string | null,
): void {
  const newest = useRef({ items, offsets });
  newest.current = { items, offsets };
  useEffect(() => {
    if (active === null || body.current === null) return;
    const index = newest.current.items.findIndex(({ key }) => key === active);
    if (index === -1) return;
    const top = body.current.getBoundingClientRect().top + (newest.current.offsets[index] ?? 0);
    if (top < HIDDEN_ABOVE) window.scrollBy(0, top - HIDDEN_ABOVE);
    else if (top + ROW_HEIGHT > window.innerHeight - ROW_HEIGHT) {
      window.scrollBy(0, top + 2 * ROW_HEIGHT - window.innerHeight);
    }
  }, [active, body]);
}

const NUMBERS: readonly (Column | "name")[] = ["cpu", "memory", "created"];

function Heading({
  column,
  view,
  onView,
}: { column: Column | "name" } & Pick<ContainerTableProps, "view" | "onView">) {
  const t = useMessages(messages);
  const className = cn(
    "sticky top-12 z-10 h-9 truncate border-b border-line bg-surface px-2 text-left text-xs font-medium text-muted",
    CLASSES[column],
  );
  if (column === "ports") {
    return (
      <th scope="col" className={className}>
        {t.column.ports}
      </th>
    );
  }
  const key: SortKey = column;
  const isSorted = view.sort === key;
  const isRight = column === "cpu" || column === "memory";
  // The first press on a number shows the largest, on a text the first.
  const next = isSorted ? !view.isDescending : NUMBERS.includes(column);
  const Arrow = view.isDescending ? ArrowDown : ArrowUp;
  return (
    <th
      scope="col"
      aria-sort={isSorted ? (view.isDescending ? "descending" : "ascending") : "none"}
      className={className}
    >
      <button
        type="button"
        className={cn(
          "inline-flex items-center gap-1 align-middle hover:text-text",
          isSorted && "text-text",
          isRight && "flex-row-reverse",
        )}
        onClick={() => onView({ sort: key, isDescending: next })}
      >
        {t.column[column]}
        <Arrow aria-hidden className={cn("size-3", !isSorted && "invisible")} />
      </button>
    </th>
  );
}

interface GroupRowProps extends Pick<ListProps, "selection" | "onToggleAll"> {
  name: string;
  keys: readonly string[];
  span: number;
  position: number;
}

function GroupRow({ name, keys, span, position, selection, onToggleAll }: GroupRowProps) {
  const t = useMessages(messages);
  return (
    <tr aria-rowindex={position + 2} className="bg-bg">
      <td className={cn("h-9 pl-2", position > 0 && "border-t border-line")}>
        <ChoiceBox
          label={t.chooseGroup(name)}
          share={shareOf(selection, keys)}
          onToggle={() => onToggleAll(keys)}
        />
      </td>
      <th
        scope="rowgroup"
        colSpan={span - 1}
        className={cn(
          "h-9 truncate px-2 text-left text-sm font-semibold",
          position > 0 && "border-t border-line",
        )}
      >
        {name} <span className="tabular font-normal text-muted">{formatCount(keys.length)}</span>
      </th>
    </tr>
  );
}

interface RowProps
  extends Pick<ListProps, "can" | "wanted" | "onActive" | "onToggle" | "onOpen" | "onLogs" | "onVerb"> {
  container: ContainerView;
  columns: readonly Column[];
  position: number;
  isStale: boolean;
  isChosen: boolean;
  isActive: boolean;
  cpu: SeriesView | undefined;
  memory: SeriesView | undefined;
}

const Row = memo(function Row(props: RowProps) {
  const { container, columns, position, isStale, isChosen, isActive, wanted } = props;
  const { can, onToggle, onOpen, onLogs, onVerb } = props;
  const t = useMessages(messages);
  const name = useRef<HTMLAnchorElement>(null);
  const key = containerKey(container);
  useEffect(() => {
    // Not whenever it is active: keys that come faster than rows are drawn would have two rows take it in turns.
    if (!isActive || wanted.current !== key) return;
    wanted.current = null;
    name.current?.focus({ preventScroll: true });
  }, [isActive, key, wanted]);
  const cell = cn("h-10 truncate px-2", position > 0 && "border-t border-line");
  return (
    <tr
      aria-rowindex={position + 2}
      aria-selected={isChosen}
      className={cn(
        "group cursor-default",
        isChosen ? "bg-accent-soft" : "hover:bg-hover",
        isStale && "text-muted",
      )}
      onFocusCapture={() => props.onActive(key)}
      onClick={(event) => {
        const target = event.target as Element;
        const isOnControl = target.closest("a, button, label, input") !== null;
        if (isOnControl || (window.getSelection()?.toString() ?? "") !== "") return;
        if (event.shiftKey || event.ctrlKey || event.metaKey) onToggle(key, event.shiftKey);
        else onOpen(container);
      }}
    >
      <td className={cn("h-10 pl-2", position > 0 && "border-t border-line")}>
        <ChoiceBox
          label={t.choose(container.name)}
          share={isChosen ? "all" : "none"}
          onToggle={(isRange) => onToggle(key, isRange)}
        />
      </td>
      <th scope="row" className={cn(cell, "text-left font-medium")}>
        {/* No link of the router's: dozens of rows come and go with each turn of a wheel, and those are dear. */}
        <a
          ref={name}
          href={`/containers/${encodeURIComponent(container.node_id)}/${encodeURIComponent(container.id)}`}
          title={`${container.name} (${shortId(container.id)})`}
          className="hover:underline"
          onClick={(event) => {
            if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
              return;
            event.preventDefault();
            onOpen(container);
          }}
        >
          {container.name}
        </a>
      </th>
      {columns.map((column) => (
        <td key={column} className={cn(cell, "text-sm", CLASSES[column])}>
          <Cell column={column} {...props} />
        </td>
      ))}
      <td className={cn(cell, "pr-2")}>
        <RowActions container={container} can={can} onLogs={onLogs} onVerb={onVerb} />
      </td>
    </tr>
  );
});

function Cell({ column, container, isStale, cpu, memory }: RowProps & { column: Column }) {
  const t = useMessages(messages);
  switch (column) {
    case "state": {
      const state = stateOf(container);
      return (
        <span className="flex">
          <Status
            tone={isStale ? "neutral" : state.tone}
            title={isStale ? t.asLastKnown : `${state.word} ${state.detail}`}
          >
            {state.word} <span className="text-muted">{state.detail}</span>
          </Status>
        </span>
      );
    }
    case "image": {
      const image = parseImage(container.image);
      return (
        <span title={image.full}>
          {image.short}
          {image.tag !== "" && <span className="text-muted">:{image.tag}</span>}
        </span>
      );
    }
    case "cpu":
      return <CpuCell container={container} course={cpu} />;
    case "memory":
      return <MemoryCell container={container} course={memory} className="max-lg:[&>svg]:hidden" />;
    case "host":
      return <>{container.node_name}</>;
    case "project":
      return <Text text={container.project} />;
    case "service":
      return <Text text={serviceOf(container)} />;
    case "ports":
      return <Text text={portsOf(container)} />;
    case "created":
      return <Ago atMs={container.created_at_ms} />;
  }
}

function Text({ text }: { text: string }) {
  return text === "" ? <span className="text-muted">{UNKNOWN}</span> : <span title={text}>{text}</span>;
}

function portsOf({ ports }: ContainerView): string {
  const published = ports.filter(({ host_port }) => host_port > 0);
  return [...new Set(published.map((port) => `${port.host_port}→${port.container_port}`))].join(", ");
}
