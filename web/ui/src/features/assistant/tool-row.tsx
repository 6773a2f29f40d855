import { Check, ChevronRight, CircleAlert, CircleDashed, ClipboardCheck, LoaderCircle } from "lucide-react";
import type { Reference, ToolAnswered, ToolCalled } from "@/api/openapi";
import { Sentence } from "@/components/sentence";
import { cn } from "@/lib/cn";
import { useMessages } from "@/lib/i18n";
import { argumentsText } from "./arguments";
import { Cited } from "./cited";
import { messages } from "./messages";

interface ToolRowProps {
  called: ToolCalled;
  answered: ToolAnswered | null;
  /** Whether the answer is still on its way. */
  isOpen: boolean;
}

/** A tool that was called: what for, and what it gave. */
export function ToolRow({ called, answered, isOpen }: ToolRowProps) {
  const t = useMessages(messages);
  const given = argumentsText(called.arguments);
  return (
    <details className="group rounded-md border border-line bg-surface text-sm">
      <summary className="flex min-h-8 list-none items-center gap-2 rounded-md px-2 py-1 hover:bg-hover pointer-coarse:min-h-10 [&::-webkit-details-marker]:hidden">
        <ChevronRight
          aria-hidden
          className="size-3.5 shrink-0 text-muted transition-transform group-open:rotate-90"
        />
        <span className="min-w-0 flex-1 truncate group-open:whitespace-normal">
          <Sentence text={called.title} />
        </span>
        <State state={stateOf(answered, isOpen)} />
      </summary>
      <div className="flex flex-col gap-2 border-t border-line px-2.5 py-2">
        <dl className="grid grid-cols-[max-content_1fr] gap-x-3 gap-y-1 text-xs">
          <dt className="text-muted">{called.tool}</dt>
          <dd className="min-w-0 font-mono break-all">{given}</dd>
        </dl>
        {answered !== null && (
          // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms
          <pre
            // biome-ignore lint/a11y/noNoninteractiveTabindex: otherwise keys could not reach what is further down
            tabIndex={0}
            aria-label={t.result}
            role="group"
            className={cn(
              "max-h-64 overflow-y-auto rounded bg-hover px-2 py-1.5 font-mono text-xs break-words whitespace-pre-wrap",
              answered.is_error && "text-bad",
            )}
          >
            {answered.text || t.noText}
          </pre>
        )}
        {answered !== null && answered.references.length > 0 && <Seen references={answered.references} />}
      </div>
    </details>
  );
}

function Seen({ references }: { references: readonly Reference[] }) {
  const t = useMessages(messages);
  return (
    <p className="flex flex-wrap gap-x-3 gap-y-1 text-xs">
      <span className="text-muted">{t.seen}</span>
      {references.map((reference) => (
        <Cited key={reference.number} reference={reference}>
          {reference.label}
        </Cited>
      ))}
    </p>
  );
}

type CallState = "running" | "done" | "error" | "proposed" | "unfinished";

function stateOf(answered: ToolAnswered | null, isOpen: boolean): CallState {
  if (answered === null) return isOpen ? "running" : "unfinished";
  if (answered.plan_id !== null) return "proposed";
  return answered.is_error ? "error" : "done";
}

const MARKS = {
  running: { icon: LoaderCircle, look: "text-accent", turn: "animate-spin" },
  done: { icon: Check, look: "text-ok", turn: "" },
  error: { icon: CircleAlert, look: "text-bad", turn: "" },
  proposed: { icon: ClipboardCheck, look: "text-warn", turn: "" },
  unfinished: { icon: CircleDashed, look: "text-muted", turn: "" },
} as const;

function State({ state }: { state: CallState }) {
  const t = useMessages(messages);
  const { icon: Icon, look, turn } = MARKS[state];
  return (
    <span className={cn("flex shrink-0 items-center gap-1 text-xs", look)}>
      <Icon aria-hidden className={cn("size-3.5", turn)} />
      {t[state]}
    </span>
  );
}
