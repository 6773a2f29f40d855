import { useRef } from "react";
import { Status } from "@/components/ui/badge";
import { cn } from "@/lib/cn";
import { formatBytes, formatPercent, parseImage } from "@/lib/format";
import { useWindowedRows } from "@/lib/windowed-rows";
import { CpuCourse } from "./container-numbers";
import { stateOf } from "./container-state";
import type { ContainerRowsProps } from "./container-table";
import { RowActions } from "./row-actions";

const CARD_HEIGHT = 92;

/** The same rows for a narrow screen. */
export function ContainerCards({ rows, can, staleHosts, onLogs, onVerb }: ContainerRowsProps) {
  const list = useRef<HTMLUListElement>(null);
  const { first, end } = useWindowedRows(list, rows.length, CARD_HEIGHT);
  return (
    <ul ref={list} aria-label="Containers">
      {first > 0 && <li aria-hidden style={{ height: `${first * CARD_HEIGHT}px` }} />}
      {rows.slice(first, end).map((container, index) => {
        const state = stateOf(container);
        const image = parseImage(container.image);
        return (
          <li
            key={`${container.node_id} ${container.id}`}
            className={cn(
              "flex h-[92px] items-center gap-1 py-2 pr-1 pl-4",
              first + index > 0 && "border-t border-line",
              staleHosts.has(container.node_id) && "text-muted",
            )}
          >
            <div className="min-w-0 flex-1">
              <div className="flex items-center gap-2">
                <h3 className="min-w-0 flex-1 truncate font-medium">{container.name}</h3>
                <CpuCourse container={container} />
              </div>
              <p className="flex items-center gap-2 text-sm">
                <Status tone={staleHosts.has(container.node_id) ? "neutral" : state.tone}>
                  {state.word} <span className="text-muted">{state.detail}</span>
                </Status>
                {container.memory_bytes !== null && (
                  <span className="tabular ml-auto flex shrink-0 text-right text-xs">
                    <span className="min-w-[6ch]">{formatPercent(container.cpu_percent)}</span>
                    <span className="min-w-[8ch]">{formatBytes(container.memory_bytes)}</span>
                  </span>
                )}
              </p>
              <p className="mt-0.5 truncate text-xs text-muted">
                {container.node_name} · {image.short}
                {image.tag !== "" && `:${image.tag}`}
              </p>
            </div>
            <RowActions container={container} can={can} onLogs={onLogs} onVerb={onVerb} />
          </li>
        );
      })}
      {end < rows.length && <li aria-hidden style={{ height: `${(rows.length - end) * CARD_HEIGHT}px` }} />}
    </ul>
  );
}
