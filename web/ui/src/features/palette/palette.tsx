import * as Dialog from "@radix-ui/react-dialog";
import { Command } from "cmdk";
import { ChevronRight, Search } from "lucide-react";
import { type ReactNode, useMemo, useRef, useState } from "react";
import { leaveFocus, useInertPage } from "@/components/ui/modal";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { best, type Named } from "./rank";

export interface PaletteItem extends Named {
  /** Unique in its group. */
  key: string;
  icon?: ReactNode;
  /** At the end of the line: where it is, or its shortcut. */
  note?: string;
  /** What is to be done; then the palette closes. */
  run?: () => void;
  /** Instead: what may be done with it is offered. */
  items?: () => PaletteItem[];
}

export interface PaletteGroup {
  key: string;
  title: string;
  items: readonly PaletteItem[];
  /** Only found by searching: there are too many to list. */
  isSearchedOnly?: boolean;
}

const PER_GROUP = 8;

interface PaletteProps {
  groups: readonly PaletteGroup[];
  /** What is searched for. The opener keeps it: people type before this file is there. */
  query: string;
  onQuery: (query: string) => void;
  onClose: () => void;
}

/** Everything one can go to or do, found by typing. */
export default function Palette({ groups, query, onQuery, onClose }: PaletteProps) {
  useInertPage();
  const t = useMessages(messages);
  const input = useRef<HTMLInputElement>(null);
  const [subject, setSubject] = useState<PaletteItem | null>(null);
  const shown = useMemo(() => found(subject, groups, query), [subject, groups, query]);
  const ids = shown.flatMap((group) => group.items.map((item) => idOf(group, item)));
  const [chosen, setChosen] = useState("");
  // What is found may still be on its way when the search was typed: Enter is for the first of what is there.
  const active = ids.includes(chosen) ? chosen : (ids[0] ?? "");
  const isNothing = shown.every(({ items }) => items.length === 0);
  const choose = (item: PaletteItem) => {
    if (item.items !== undefined) {
      setSubject(item);
      onQuery("");
      return;
    }
    onClose();
    // After the window is gone: what opens next takes the focus.
    setTimeout(() => item.run?.());
  };
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <div aria-hidden className="animate-appear fixed inset-0 z-40 bg-black/40" />
        <Dialog.Content
          onOpenAutoFocus={(event) => {
            // Behind what was typed already, instead of selecting it.
            event.preventDefault();
            input.current?.focus();
            input.current?.setSelectionRange(query.length, query.length);
          }}
          onCloseAutoFocus={leaveFocus}
          onEscapeKeyDown={(event) => {
            if (subject === null) return;
            event.preventDefault();
            setSubject(null);
          }}
          className="animate-appear fixed top-[12vh] left-1/2 z-40 w-[calc(100%-2rem)] max-w-xl -translate-x-1/2 overflow-hidden rounded-xl border border-line bg-raised shadow-float outline-none"
        >
          <Dialog.Title className="sr-only">{t.title}</Dialog.Title>
          <Dialog.Description className="sr-only">{t.hint}</Dialog.Description>
          <Command shouldFilter={false} label={t.title} loop value={active} onValueChange={setChosen}>
            <div className="flex items-center gap-2 border-b border-line px-4">
              <Search aria-hidden className="size-4 shrink-0 text-muted" />
              {subject !== null && (
                <span className="flex shrink-0 items-center gap-1 rounded bg-accent-soft px-1.5 text-sm text-accent">
                  {subject.name}
                </span>
              )}
              <Command.Input
                ref={input}
                value={query}
                onValueChange={(text) => {
                  setChosen("");
                  onQuery(text);
                }}
                onKeyDown={(event) => {
                  if (event.key === "Backspace" && query === "" && subject !== null) setSubject(null);
                }}
                placeholder={t.placeholder}
                className="h-12 min-w-0 flex-1 bg-transparent text-base outline-none placeholder:text-muted"
              />
            </div>
            {isNothing && (
              <p role="status" className="h-[min(24rem,60vh)] px-3 py-8 text-center text-sm text-muted">
                {t.nothing(query.trim())}
              </p>
            )}
            <Command.List className={isNothing ? "hidden" : "h-[min(24rem,60vh)] overflow-y-auto p-1.5"}>
              {shown.map(
                (group) =>
                  group.items.length > 0 && (
                    <Command.Group
                      key={group.key}
                      heading={group.title}
                      className="[&_[cmdk-group-heading]]:px-2.5 [&_[cmdk-group-heading]]:pt-2.5 [&_[cmdk-group-heading]]:pb-1 [&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:font-medium [&_[cmdk-group-heading]]:text-muted"
                    >
                      {group.items.map((item) => (
                        <Line key={item.key} id={idOf(group, item)} item={item} onChoose={choose} />
                      ))}
                    </Command.Group>
                  ),
              )}
            </Command.List>
            <p className="border-t border-line px-4 py-1.5 text-xs text-muted max-sm:hidden">{t.keys}</p>
          </Command>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function idOf(group: PaletteGroup, item: PaletteItem): string {
  return `${group.key} ${item.key}`;
}

function Line({
  id,
  item,
  onChoose,
}: {
  id: string;
  item: PaletteItem;
  onChoose: (item: PaletteItem) => void;
}) {
  return (
    <Command.Item
      value={id}
      onSelect={() => onChoose(item)}
      className="flex h-9 cursor-pointer items-center gap-2.5 rounded-md px-2.5 text-sm data-[selected=true]:bg-accent-soft pointer-coarse:h-11"
    >
      <span aria-hidden className="flex size-4 shrink-0 items-center justify-center text-muted">
        {item.icon}
      </span>
      <span className="min-w-0 flex-1 truncate">{item.name}</span>
      {item.note !== undefined && (
        <span className="max-w-[45%] truncate text-xs text-muted">{item.note}</span>
      )}
      {item.items !== undefined && <ChevronRight aria-hidden className="size-3.5 text-muted" />}
    </Command.Item>
  );
}

function found(subject: PaletteItem | null, groups: readonly PaletteGroup[], query: string): PaletteGroup[] {
  if (subject !== null) {
    const items = subject.items?.() ?? [];
    return [{ key: "subject", title: subject.name, items: best(items, query, items.length) }];
  }
  const isSearching = query.trim() !== "";
  return groups
    .filter((group) => isSearching || group.isSearchedOnly !== true)
    .map((group) => ({
      ...group,
      items: isSearching ? best(group.items, query, PER_GROUP) : group.items,
    }));
}
