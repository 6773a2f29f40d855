import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { conversationQuery } from "@/api/assistant";
import type { ConversationTold } from "@/api/openapi";
import { isStatus } from "@/api/problem";
import { Failed, Loading } from "@/components/states";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

interface ConversationOpenerProps {
  id: string;
  onOpened: (told: ConversationTold) => void;
  /** It is there no more. */
  onGone: () => void;
}

/** Reads a conversation that was kept. */
export function ConversationOpener({ id, onOpened, onGone }: ConversationOpenerProps) {
  const t = useMessages(messages);
  const { data, error, refetch } = useQuery(conversationQuery(id));
  const isGone = isStatus(error, 404);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it is there or known to be gone
  useEffect(() => {
    if (data !== undefined) onOpened(data);
    else if (isGone) onGone();
  }, [data, isGone]);
  if (error !== null && !isGone) return <Failed error={error} onRetry={() => void refetch()} />;
  return <Loading label={t.loadingConversation} rows={5} />;
}
