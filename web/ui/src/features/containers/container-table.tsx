import { ArrowDown, ArrowUp } from "lucide-react";
import { memo, useRef } from "react";
import type { ContainerView } from "@/api/openapi";
import { Status } from "@/components/ui/badge";
import { cn } from "@/lib/cn";
import { formatBytes, parseImage, shortId, UNKNOWN } from "@/lib/format";
import { useWindowedRows } from "@/lib/windowed-rows";
import type { Verb } from "./container-actions";
import { CpuCell } from "./container-numbers";
import type { ContainersView, SortKey } from "./container-rows";
import { stateOf } from "./container-state";
import { RowActions } from "./row-actions";

/** All rows are of one height, so that the ones out of sight need not exist. */
const ROW_HEIGHT = 40;

interface Column {
  key: SortKey;
  title: string;
  className: string;
}

const COLUMNS: readonly Column[] = [
  { key: "name", title: "Name", className: "w-[22%] pl-4" },
  { key: "state", title: "State", className: "w-[20%] lg:w-[17%]" },
  { key: "image", title: "Image", className: "w-[17%] max-lg:hidden" },
  { key: "cpu", title: "CPU", className: "w-36 text-right" },
  { key: "memory", title: "Memory", className: "w-26 text-right" },
  { key: "host", title: "Host", className: "w-[8%] min-w-20 pl-6" },
  { key: "project", title: "Project", className: "max-xl:hidden" },
];

export interface ContainerRowsProps {
  rows: readonly ContainerView[];
  can: (action: string) => boolean;
  /** Hosts whose containers are only known from before. */
  staleHosts: ReadonlySet<string>;
  onLogs: (container: ContainerView) => void;
  onVerb: (container: ContainerView, verb: Verb) => void;
}

interface ContainerTableProps extends ContainerRowsProps {
  view: ContainersView;
  onView: (change: Partial<ContainersView>) => void;
}

export function ContainerTable({ rows, view, onView, ...rest }: ContainerTableProps) {
  const body = useRef<HTMLTableSectionElement>(null);
  const { first, end } = useWindowedRows(body, rows.length, ROW_HEIGHT);
  return (
    <table className="w-full table-fixed border-separate border-spacing-0" aria-rowcount={rows.length + 1}>
      <caption className="sr-only">Containers of every host</caption>
      <thead>
        <tr>
          {COLUMNS.map((column) => (
            <Heading key={column.key} column={column} view={view} onView={onView} />
          ))}
          <th scope="col" className="sticky top-12 z-10 w-24 rounded-tr-lg border-b border-line bg-surface">
            <span className="sr-only">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody ref={body}>
        {first > 0 && <Spacer rows={first} />}
        {rows.slice(first, end).map((container, index) => (
          <Row
            key={`${container.node_id} ${container.id}`}
            container={container}
            position={first + index}
            {...rest}
          />
        ))}
        {end < rows.length && <Spacer rows={rows.length - end} />}
      </tbody>
    </table>
  );
}

function Spacer({ rows }: { rows: number }) {
  return (
    <tr aria-hidden>
      <td colSpan={COLUMNS.length + 1} style={{ height: `${rows * ROW_HEIGHT}px` }} />
    </tr>
  );
}

function Heading({
  column,
  view,
  onView,
}: { column: Column } & Pick<ContainerTableProps, "view" | "onView">) {
  const isSorted = view.sort === column.key;
  const isNumber = column.key === "cpu" || column.key === "memory";
  // The first press on a number shows the largest, on a text the first.
  const next = isSorted ? !view.isDescending : isNumber;
  const Arrow = view.isDescending ? ArrowDown : ArrowUp;
  return (
    <th
      scope="col"
      aria-sort={isSorted ? (view.isDescending ? "descending" : "ascending") : "none"}
      className={cn(
        "sticky top-12 z-10 h-9 border-b border-line bg-surface px-2 text-left text-xs font-medium text-muted first:rounded-tl-lg",
        column.className,
      )}
    >
      <button
        type="button"
        className={cn(
          "inline-flex items-center gap-1 align-middle hover:text-text",
          isSorted && "text-text",
          isNumber && "flex-row-reverse",
        )}
        onClick={() => onView({ sort: column.key, isDescending: next })}
      >
        {column.title}
        <Arrow aria-hidden className={cn("size-3", !isSorted && "invisible")} />
      </button>
    </th>
  );
}

interface RowProps extends Omit<ContainerRowsProps, "rows"> {
  container: ContainerView;
  position: number;
}

const Row = memo(function Row({ container, position, can, staleHosts, onLogs, onVerb }: RowProps) {
  const image = parseImage(container.image);
  const state = stateOf(container);
  const isStale = staleHosts.has(container.node_id);
  const cell = cn("h-10 truncate px-2", position > 0 && "border-t border-line");
  return (
    <tr aria-rowindex={position + 2} className={cn("group hover:bg-hover", isStale && "text-muted")}>
      <th
        scope="row"
        className={cn(cell, "pl-4 text-left font-medium")}
        title={`${container.name} (${shortId(container.id)})`}
      >
        {container.name}
      </th>
      <td className={cn(cell, "text-sm")} title={isStale ? "as last known" : undefined}>
        <Status tone={isStale ? "neutral" : state.tone}>
          {state.word} <span className="text-muted">{state.detail}</span>
        </Status>
      </td>
      <td className={cn(cell, "text-sm max-lg:hidden")} title={image.full}>
        {image.short}
        {image.tag !== "" && <span className="text-muted">:{image.tag}</span>}
      </td>
      <td className={cn(cell, "text-right text-sm")}>
        <CpuCell container={container} />
      </td>
      <td
        className={cn(cell, "tabular text-right text-sm")}
        title={
          container.memory_limit_bytes === null
            ? undefined
            : `of ${formatBytes(container.memory_limit_bytes)}`
        }
      >
        {formatBytes(container.memory_bytes)}
      </td>
      <td className={cn(cell, "pl-6 text-sm")}>{container.node_name}</td>
      <td className={cn(cell, "text-sm max-xl:hidden")}>
        {container.project || <span className="text-muted">{UNKNOWN}</span>}
      </td>
      <td className={cn(cell, "pr-2")}>
        <RowActions container={container} can={can} onLogs={onLogs} onVerb={onVerb} />
      </td>
    </tr>
  );
});
