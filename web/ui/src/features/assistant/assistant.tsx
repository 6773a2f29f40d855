import { useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { ArrowLeft, History, SquarePen } from "lucide-react";
import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import type { Part } from "@/api/assistant";
import { useCan } from "@/api/permissions";
import { clusterQuery } from "@/api/queries";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/lib/i18n";
import { useMedia } from "@/lib/media";
import { Composer } from "./composer";
import { ConversationOpener } from "./conversation-opener";
import { ConversationView } from "./conversation-view";
import { SideFrame, WindowFrame } from "./frame";
import { HistoryList } from "./history-list";
import { messages } from "./messages";
import { setAssistantOpen, useAssistantOpened } from "./opened";
import { Standing } from "./standing";
import { rememberedConversation, useChat } from "./use-chat";

/** From here on there is room for it beside a page. */
const WIDE = "(min-width: 80rem)";

type Shown = { view: "chat" } | { view: "history" } | { view: "opening"; id: string };

/**
 * The assistant, beside every page. It stays mounted while it is closed: an answer that is on its way goes on, and what
 * was being written is still there.
 */
export default function Assistant({ renderPlan }: { renderPlan: (id: string) => ReactNode }) {
  const t = useMessages(messages);
  const can = useCan();
  const router = useRouter();
  const { chat, state } = useChat();
  const { isOpen, asked } = useAssistantOpened();
  const isWide = useMedia(WIDE);
  const [draft, setDraft] = useState("");
  const [shown, setShown] = useState<Shown>(() => {
    const id = rememberedConversation();
    return id === null ? { view: "chat" } : { view: "opening", id };
  });
  const field = useRef<HTMLTextAreaElement>(null);
  const toField = () => requestAnimationFrame(() => field.current?.focus());
  useEffect(() => {
    if (asked === 0) return;
    // After the window it was opened from has given the focus back.
    const frame = requestAnimationFrame(() => field.current?.focus());
    return () => cancelAnimationFrame(frame);
  }, [asked]);
  const close = () => setAssistantOpen(false);
  const follow = useCallback(
    (path: string) => {
      if (!isWide) setAssistantOpen(false);
      router.history.push(path);
    },
    [router, isWide],
  );
  if (!isOpen) return null;

  const lookingAt = () => router.state.location.pathname + router.state.location.searchStr;
  const ask = (text: string) => {
    void chat.ask(text, lookingAt());
    toField();
  };
  const stop = () => {
    chat.stop();
    toField();
  };
  const begin = () => {
    chat.show();
    setShown({ view: "chat" });
    toField();
  };
  const isHistory = shown.view === "history";
  const Frame = isWide ? SideFrame : WindowFrame;
  return (
    <Frame
      field={field}
      title={isHistory ? t.history : t.title}
      actions={
        <>
          <Button tone="ghost" isIcon aria-label={t.begin} title={t.begin} onClick={begin}>
            <SquarePen aria-hidden className="size-4" />
          </Button>
          {isHistory ? (
            <Button
              tone="ghost"
              isIcon
              aria-label={t.back}
              title={t.back}
              onClick={() => setShown({ view: "chat" })}
            >
              <ArrowLeft aria-hidden className="size-4" />
            </Button>
          ) : (
            <Button
              tone="ghost"
              isIcon
              aria-label={t.history}
              title={t.history}
              onClick={() => setShown({ view: "history" })}
            >
              <History aria-hidden className="size-4" />
            </Button>
          )}
        </>
      }
      onClose={close}
    >
      {isHistory && (
        <div className="min-h-0 flex-1 overflow-y-auto">
          <HistoryList
            conversation={state.conversation}
            onOpen={(id) => setShown(id === state.conversation ? { view: "chat" } : { view: "opening", id })}
            onForgotten={(id) => id === state.conversation && chat.show()}
          />
        </div>
      )}
      {shown.view === "opening" && (
        <div className="min-h-0 flex-1 overflow-y-auto">
          <ConversationOpener
            key={shown.id}
            id={shown.id}
            onOpened={({ conversation, exchanges }) => {
              chat.show(
                conversation.id,
                exchanges.map((exchange) => ({ ...exchange, parts: exchange.parts as Part[] })),
              );
              setShown({ view: "chat" });
              toField();
            }}
            onGone={begin}
          />
        </div>
      )}
      {shown.view === "chat" && (
        <>
          <ConversationView
            // Another one is not read out from its beginning.
            key={state.view}
            state={state}
            renderPlan={renderPlan}
            onFollow={follow}
            onAsk={ask}
            onAskAgain={() => void chat.askAgain(lookingAt())}
          />
          <footer className="flex shrink-0 flex-col gap-1.5 border-t border-line px-3 pt-3 pb-2.5">
            <NoLeader />
            {can("assistant.ask") ? (
              <Composer
                field={field}
                draft={draft}
                onDraft={setDraft}
                isAnswering={state.isAnswering}
                onAsk={ask}
                onStop={stop}
              />
            ) : (
              <p className="text-sm text-muted">{t.cannotAsk}</p>
            )}
            <Standing />
          </footer>
        </>
      )}
    </Frame>
  );
}

/** What the banners say of every page concerns answers, too. */
function NoLeader() {
  const t = useMessages(messages);
  const can = useCan();
  const { data: cluster } = useQuery({ ...clusterQuery, enabled: can("cluster.read") });
  if (cluster === undefined || cluster.leader_id !== null) return null;
  return (
    <p role="status" className="text-xs text-warn">
      {t.noLeader}
    </p>
  );
}
