import { useQuery } from "@tanstack/react-query";
import { Check, ChevronDown, ChevronRight, Copy, SearchX } from "lucide-react";
import { useMemo, useState } from "react";
import type { ContainerView } from "@/api/openapi";
import { useCopy } from "@/components/copying";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { ScrollingCard, Section } from "@/components/ui/section";
import { cn } from "@/lib/cn";
import { useMessages } from "@/lib/i18n";
import { documentQuery } from "./container-queries";
import type { ContainerSearch } from "./container-search";
import { type Json, type JsonLine, jsonLines } from "./json-lines";
import { messages } from "./messages";

const INDENTS = ["pl-3", "pl-8", "pl-13", "pl-18", "pl-23", "pl-28", "pl-33"];
const NOTHING: ReadonlySet<string> = new Set();

interface InspectTabProps {
  container: ContainerView;
  search: ContainerSearch;
  onSearch: (next: Partial<ContainerSearch>, options?: { replace?: boolean }) => void;
}

/** The engine's own description, as a tree that can be searched and copied. */
export default function InspectTab({ container, search, onSearch }: InspectTabProps) {
  const t = useMessages(messages);
  const query = useQuery(documentQuery(container));
  const find = search.find ?? "";
  const [toggled, setToggled] = useState(NOTHING);
  const [isCopied, copy] = useCopy();
  const toggle = (path: string) =>
    setToggled((before) => {
      const after = new Set(before);
      if (!after.delete(path)) after.add(path);
      return after;
    });
  return (
    <Section
      title={t.description}
      note={query.data?.is_masked ? t.masked : undefined}
      actions={
        <>
          <Input
            type="search"
            aria-label={t.find}
            placeholder={t.findHint}
            value={find}
            onChange={(event) => {
              setToggled(NOTHING);
              onSearch({ find: event.currentTarget.value || undefined }, { replace: true });
            }}
            className="w-56 max-w-full"
          />
          <Button
            onClick={() => copy(JSON.stringify(query.data?.document, null, 2))}
            disabled={query.data === undefined}
          >
            {isCopied ? (
              <Check aria-hidden className="size-3.5 text-ok" />
            ) : (
              <Copy aria-hidden className="size-3.5" />
            )}
            {isCopied ? t.copied : t.copyJson}
          </Button>
        </>
      }
    >
      <ScrollingCard label={t.description} className="py-1">
        <Loaded query={query} loading={<Loading label={t.description} rows={12} />}>
          {({ document }) => <Tree root={document as Json} toggled={toggled} find={find} onToggle={toggle} />}
        </Loaded>
      </ScrollingCard>
    </Section>
  );
}

interface TreeProps {
  root: Json;
  toggled: ReadonlySet<string>;
  find: string;
  onToggle: (path: string) => void;
}

function Tree({ root, toggled, find, onToggle }: TreeProps) {
  const t = useMessages(messages);
  const lines = useMemo(() => jsonLines(root, toggled, find), [root, toggled, find]);
  if (lines.length === 0) {
    return (
      <Empty icon={<SearchX className="size-5" />} title={t.nothingFound}>
        {t.nothingFoundText(find)}
      </Empty>
    );
  }
  return (
    <ul className="font-mono text-xs leading-5">
      {lines.map((line) => (
        <li
          key={line.path}
          title={line.path}
          className={cn(
            "flex items-start gap-1 pr-3 hover:bg-hover",
            INDENTS[Math.min(line.depth, INDENTS.length - 1)],
          )}
        >
          <Line line={line} onToggle={onToggle} />
        </li>
      ))}
    </ul>
  );
}

function Line({ line, onToggle }: { line: JsonLine; onToggle: (path: string) => void }) {
  const t = useMessages(messages);
  if (line.count === undefined) {
    return (
      <>
        <span className="w-4 shrink-0" />
        <span className="text-muted">{line.name}:</span>
        <span className={cn("min-w-0 break-all whitespace-pre-wrap", TONE[typeof line.leaf])}>
          {line.leaf === "" ? '""' : String(line.leaf)}
        </span>
      </>
    );
  }
  const brackets = line.isList ? "[ ]" : "{ }";
  if (line.count === 0) {
    return (
      <>
        <span className="w-4 shrink-0" />
        <span className="text-muted">{line.name}:</span>
        <span className="text-muted">{brackets}</span>
      </>
    );
  }
  return (
    <button
      type="button"
      aria-expanded={line.isOpen}
      onClick={() => onToggle(line.path)}
      className="flex min-w-0 min-h-6 items-center gap-1 text-left pointer-coarse:min-h-8"
    >
      {line.isOpen ? (
        <ChevronDown aria-hidden className="size-4 shrink-0 text-muted" />
      ) : (
        <ChevronRight aria-hidden className="size-4 shrink-0 text-muted" />
      )}
      <span>{line.name}</span>
      <span className="text-muted">
        {brackets} {t.items(line.count)}
      </span>
    </button>
  );
}

const TONE: Record<string, string> = {
  string: "text-text",
  number: "tabular text-series-1",
  boolean: "text-series-3",
  object: "text-muted",
};
