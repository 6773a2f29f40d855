import { CircleSlash, Info, type LucideIcon, RotateCw, Scissors } from "lucide-react";
import { type ReactNode, useMemo } from "react";
import type { Ended } from "@/api/openapi";
import { ApiError } from "@/api/problem";
import { Refusal } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/lib/i18n";
import { viewOf } from "./answer-view";
import type { Exchange } from "./chat";
import { CitingContext } from "./cited";
import { Markdown } from "./markdown";
import { messages } from "./messages";
import { QuestionList } from "./question-list";
import { ToolRow } from "./tool-row";

interface ExchangeViewProps {
  exchange: Exchange;
  /** Whether its answer is on its way. */
  isOpen: boolean;
  /** The last of the conversation: what can be asked next is offered there. */
  isLast: boolean;
  renderPlan: (id: string) => ReactNode;
  onFollow: (path: string) => void;
  onAsk: (question: string) => void;
  onAskAgain: () => void;
}

/** A question and its answer: what it says, what it looked into, and what it proposes. */
export function ExchangeView(props: ExchangeViewProps) {
  const { exchange, isOpen, isLast, renderPlan, onFollow, onAsk, onAskAgain } = props;
  const t = useMessages(messages);
  const view = useMemo(() => viewOf(exchange.parts), [exchange.parts]);
  const citing = useMemo(() => ({ references: view.references, onFollow }), [view.references, onFollow]);
  const last = view.items.at(-1);
  // Between two pieces there is nothing to see.
  const isSilent = last?.kind !== "text" && (last === undefined || last.answered !== null);
  return (
    <CitingContext.Provider value={citing}>
      <article className="flex flex-col gap-3">
        <h3 className="ml-8 self-end rounded-lg bg-accent-soft px-3 py-1.5 break-words whitespace-pre-wrap">
          <span className="sr-only">{t.you}: </span>
          {exchange.question}
        </h3>
        {view.items.map((item, index) =>
          item.kind === "text" ? (
            <Markdown key={index} text={item.text} isOpen={isOpen && index === view.items.length - 1} />
          ) : (
            <div key={index} className="flex flex-col gap-2">
              <ToolRow called={item.called} answered={item.answered} isOpen={isOpen} />
              {item.answered?.plan_id != null && renderPlan(item.answered.plan_id)}
            </div>
          ),
        )}
        {isOpen && isSilent && <p className="animate-breathe text-sm text-muted">{t.working}</p>}
        {exchange.error !== null && <Failure error={exchange.error} />}
        {view.ended !== null && <Ending ended={view.ended} />}
        {exchange.isShortened && <Note icon={Scissors}>{t.shortened}</Note>}
        {isLast && !isOpen && (exchange.error !== null || view.ended?.how === "failed") && (
          <Button className="self-start" onClick={onAskAgain}>
            <RotateCw aria-hidden className="size-3.5" />
            {t.askAgain}
          </Button>
        )}
        {isLast && !isOpen && view.questions.length > 0 && (
          <QuestionList label={t.next} questions={view.questions} onAsk={onAsk} />
        )}
      </article>
    </CitingContext.Provider>
  );
}

function Failure({ error }: { error: Error }) {
  return (
    <Refusal title={error.message}>
      {error instanceof ApiError && error.hints.map((hint) => <p key={hint}>{hint}</p>)}
    </Refusal>
  );
}

/** How an answer ended that is not simply over; a reason is told whatever it is of. */
function Ending({ ended }: { ended: Ended }) {
  const t = useMessages(messages);
  switch (ended.how) {
    case "answered":
      return ended.reason !== "" && <Note icon={Info}>{ended.reason}</Note>;
    case "failed":
      return <Refusal title={ended.reason || t.failed} />;
    case "stopped":
      return (
        <Note icon={CircleSlash}>
          {t.stopped} {ended.reason}
        </Note>
      );
    case "refused":
      return (
        <Note icon={CircleSlash}>
          {t.refused} {ended.reason}
        </Note>
      );
    case "cut-short":
      return (
        <Note icon={Scissors}>
          {t.cutShort} {ended.reason}
        </Note>
      );
  }
}

function Note({ icon: Icon, children }: { icon: LucideIcon; children: ReactNode }) {
  return (
    <p className="flex items-start gap-2 text-sm text-muted">
      <Icon aria-hidden className="mt-0.5 size-3.5 shrink-0" />
      <span className="min-w-0 break-words">{children}</span>
    </p>
  );
}
