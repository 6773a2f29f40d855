import { ArrowDown, ArrowUp } from "lucide-react";
import { type ReactNode, useRef } from "react";
import { SpacerRow } from "@/components/ui/spacer-row";
import { cn } from "@/lib/cn";
import { useMedia } from "@/lib/media";
import { useWindowedRows } from "@/lib/windowed-items";

const ROW_HEIGHT = 44;
const CARD_HEIGHT = 84;

export interface ListColumn<Row> {
  key: string;
  title: string;
  className?: string;
  /** Numbers begin with the largest. */
  isNumber?: boolean;
  isSorted?: boolean;
  cell: (row: Row) => ReactNode;
}

interface ResourceListProps<Row> {
  caption: string;
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  name: (row: Row) => ReactNode;
  nameTitle: string;
  columns: readonly ListColumn<Row>[];
  /** Before the name, such as a box that chooses it. */
  before?: ((row: Row) => ReactNode) | undefined;
  actions: (row: Row) => ReactNode;
  actionsTitle: string;
  isStale: (row: Row) => boolean;
  /** Of a card, below its name. */
  lines: (row: Row) => readonly [ReactNode, ReactNode];
  sort: string;
  isDescending: boolean;
  onSort: (sort: string, isDescending: boolean) => void;
}

/** Rows of one kind: a table, or cards on a narrow screen. What is out of sight is not in the page. */
export function ResourceList<Row>(props: ResourceListProps<Row>) {
  const isWide = useMedia("(min-width: 48rem)");
  return isWide ? <Table {...props} /> : <Cards {...props} />;
}

function Table<Row>(props: ResourceListProps<Row>) {
  const { caption, rows, columns, keyOf, before, name, actions, isStale } = props;
  const body = useRef<HTMLTableSectionElement>(null);
  const { first, end } = useWindowedRows(body, rows.length, ROW_HEIGHT);
  const span = columns.length + 2 + Number(before !== undefined);
  const head =
    "sticky top-12 z-10 h-9 border-b border-line bg-surface px-2 text-left text-xs font-medium text-muted";
  return (
    <table className="w-full table-fixed border-separate border-spacing-0" aria-rowcount={rows.length + 1}>
      <caption className="sr-only">{caption}</caption>
      <thead>
        <tr>
          {before !== undefined && <td className={cn(head, "w-10 rounded-tl-lg")} />}
          <th scope="col" className={cn(head, before === undefined && "rounded-tl-lg pl-4")}>
            <Sort {...props} column="" title={props.nameTitle} isNumber={false} />
          </th>
          {columns.map((column) => (
            <th
              key={column.key}
              scope="col"
              aria-sort={
                column.isSorted === false || props.sort !== column.key
                  ? undefined
                  : props.isDescending
                    ? "descending"
                    : "ascending"
              }
              className={cn(head, column.className)}
            >
              {column.isSorted === false ? (
                column.title
              ) : (
                <Sort
                  {...props}
                  column={column.key}
                  title={column.title}
                  isNumber={column.isNumber ?? false}
                  isRight={column.className?.includes("text-right") ?? false}
                />
              )}
            </th>
          ))}
          <th scope="col" className={cn(head, "w-16 rounded-tr-lg")}>
            <span className="sr-only">{props.actionsTitle}</span>
          </th>
        </tr>
      </thead>
      <tbody ref={body}>
        {first > 0 && <SpacerRow span={span} height={first * ROW_HEIGHT} />}
        {rows.slice(first, end).map((row, index) => {
          const cell = cn("h-11 truncate px-2", first + index > 0 && "border-t border-line");
          return (
            <tr
              key={keyOf(row)}
              aria-rowindex={first + index + 2}
              className={cn("hover:bg-hover", isStale(row) && "text-muted")}
            >
              {before !== undefined && <td className={cn(cell, "pr-0 pl-2")}>{before(row)}</td>}
              <th scope="row" className={cn(cell, "text-left font-medium", before === undefined && "pl-4")}>
                {name(row)}
              </th>
              {columns.map((column) => (
                <td key={column.key} className={cn(cell, "text-sm", column.className)}>
                  {column.cell(row)}
                </td>
              ))}
              <td className={cn(cell, "pr-2 text-right")}>{actions(row)}</td>
            </tr>
          );
        })}
        {end < rows.length && <SpacerRow span={span} height={(rows.length - end) * ROW_HEIGHT} />}
      </tbody>
    </table>
  );
}

interface SortProps {
  column: string;
  title: string;
  isNumber: boolean;
  isRight?: boolean;
  sort: string;
  isDescending: boolean;
  onSort: (sort: string, isDescending: boolean) => void;
}

function Sort({ column, title, isNumber, isRight = false, sort, isDescending, onSort }: SortProps) {
  const isSorted = sort === column;
  const Arrow = isDescending ? ArrowDown : ArrowUp;
  return (
    <button
      type="button"
      className={cn(
        "inline-flex items-center gap-1 align-middle hover:text-text",
        isSorted && "text-text",
        isRight && "flex-row-reverse",
      )}
      onClick={() => onSort(column, isSorted ? !isDescending : isNumber)}
    >
      {title}
      <Arrow aria-hidden className={cn("size-3", !isSorted && "invisible")} />
    </button>
  );
}

function Cards<Row>({ caption, rows, keyOf, before, name, lines, actions, isStale }: ResourceListProps<Row>) {
  const list = useRef<HTMLUListElement>(null);
  const { first, end } = useWindowedRows(list, rows.length, CARD_HEIGHT);
  return (
    <ul ref={list} aria-label={caption}>
      {first > 0 && <li aria-hidden style={{ height: `${first * CARD_HEIGHT}px` }} />}
      {rows.slice(first, end).map((row, index) => {
        const [one, two] = lines(row);
        return (
          <li
            key={keyOf(row)}
            className={cn(
              "flex h-21 items-center gap-1 py-2 pr-1",
              before === undefined ? "pl-4" : "pl-1",
              first + index > 0 && "border-t border-line",
              isStale(row) && "text-muted",
            )}
          >
            {before?.(row)}
            <div className="min-w-0 flex-1">
              <h2 className="truncate font-medium">{name(row)}</h2>
              <p className="flex items-center gap-2 truncate text-sm">{one}</p>
              <p className="mt-0.5 truncate text-xs text-muted">{two}</p>
            </div>
            {actions(row)}
          </li>
        );
      })}
      {end < rows.length && <li aria-hidden style={{ height: `${(rows.length - end) * CARD_HEIGHT}px` }} />}
    </ul>
  );
}
