import { ArrowDown } from "lucide-react";
import { type ReactNode, useRef } from "react";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/lib/i18n";
import type { ChatState } from "./chat";
import { ExchangeView } from "./exchange-view";
import { messages } from "./messages";
import { useEndInSight } from "./use-end-in-sight";
import { Welcome } from "./welcome";

interface ConversationViewProps {
  state: ChatState;
  renderPlan: (id: string) => ReactNode;
  onFollow: (path: string) => void;
  onAsk: (question: string) => void;
  onAskAgain: () => void;
}

/** What was asked and answered, the newest at the end and in sight. */
export function ConversationView({ state, onAsk, ...rest }: ConversationViewProps) {
  const t = useMessages(messages);
  const { exchanges, isAnswering } = state;
  const area = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const { isAtEnd, onScroll, toEnd } = useEndInSight({ area, content, count: exchanges.length });
  const last = exchanges.at(-1);
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={area}
        role="log"
        aria-label={t.log}
        aria-relevant="additions"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: otherwise keys could not scroll it
        tabIndex={0}
        className="h-full overflow-y-auto px-4 py-4"
        onScroll={onScroll}
      >
        <div ref={content} className="flex flex-col gap-6">
          {exchanges.length === 0 && <Welcome onAsk={onAsk} />}
          {exchanges.map((exchange) => (
            <ExchangeView
              key={exchange.key}
              exchange={exchange}
              isOpen={isAnswering && exchange === last}
              isLast={exchange === last}
              onAsk={onAsk}
              {...rest}
            />
          ))}
        </div>
      </div>
      {!isAtEnd && (
        <Button
          className="absolute bottom-3 left-1/2 -translate-x-1/2 bg-raised shadow-float"
          onClick={toEnd}
        >
          <ArrowDown aria-hidden className="size-3.5" />
          {t.newest}
        </Button>
      )}
    </div>
  );
}
