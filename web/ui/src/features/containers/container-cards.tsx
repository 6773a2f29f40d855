import { Link } from "@tanstack/react-router";
import { useMemo, useRef } from "react";
import { containerKey } from "@/api/queries";
import { Status } from "@/components/ui/badge";
import { cn } from "@/lib/cn";
import { formatBytes, formatCount, formatPercent, parseImage } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { offsetsOf, useWindowedItems } from "@/lib/windowed-items";
import { ChoiceBox } from "./choice-box";
import { CpuCourse } from "./container-numbers";
import { stateOf } from "./container-state";
import type { ListProps } from "./list-props";
import { messages } from "./messages";
import { RowActions } from "./row-actions";
import { shareOf } from "./selection";

const CARD_HEIGHT = 96;
const GROUP_HEIGHT = 40;

/** The same rows for a narrow screen. */
export function ContainerCards(props: ListProps) {
  const { items, view, can, courses, staleHosts, selection, onToggle, onToggleAll, onLogs, onVerb } = props;
  const t = useMessages(messages);
  const list = useRef<HTMLUListElement>(null);
  const offsets = useMemo(
    () => offsetsOf(items.map(({ kind }) => (kind === "group" ? GROUP_HEIGHT : CARD_HEIGHT))),
    [items],
  );
  const { first, end } = useWindowedItems(list, offsets);
  const below = (offsets[items.length] ?? 0) - (offsets[end] ?? 0);
  return (
    <ul ref={list} aria-label={t.list}>
      {first > 0 && <li aria-hidden style={{ height: `${offsets[first] ?? 0}px` }} />}
      {items.slice(first, end).map((item, index) => {
        const line = first + index > 0 && "border-t border-line";
        if (item.kind === "group") {
          const name = item.name || (view.group === "" ? "" : t.ungrouped[view.group]);
          const keys = item.containers.map(containerKey);
          return (
            <li key={item.key} className={cn("flex h-10 items-center gap-1 bg-bg pr-4 pl-1", line)}>
              <ChoiceBox
                label={t.chooseGroup(name)}
                share={shareOf(selection, keys)}
                onToggle={() => onToggleAll(keys)}
              />
              <span className="truncate text-sm font-semibold">
                {name} <span className="tabular font-normal text-muted">{formatCount(keys.length)}</span>
              </span>
            </li>
          );
        }
        const { container, key } = item;
        const state = stateOf(container);
        const image = parseImage(container.image);
        const isChosen = selection.keys.has(key);
        return (
          <li
            key={key}
            className={cn(
              "flex h-24 items-center gap-1 py-2 pr-1 pl-1",
              line,
              isChosen && "bg-accent-soft",
              staleHosts.has(container.node_id) && "text-muted",
            )}
          >
            <ChoiceBox
              label={t.choose(container.name)}
              share={isChosen ? "all" : "none"}
              onToggle={(isRange) => onToggle(key, isRange)}
            />
            <div className="min-w-0 flex-1">
              <div className="flex items-center gap-2">
                <h2 className="min-w-0 flex-1 truncate font-medium">
                  <Link
                    to="/containers/$node/$container"
                    params={{ node: container.node_id, container: container.id }}
                    className="hover:underline"
                  >
                    {container.name}
                  </Link>
                </h2>
                <CpuCourse
                  container={container}
                  course={courses(container.node_id, container.id, "cpu_percent")}
                />
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
      {below > 0 && <li aria-hidden style={{ height: `${below}px` }} />}
    </ul>
  );
}
