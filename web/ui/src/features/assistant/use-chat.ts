import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState, useSyncExternalStore } from "react";
import { ASSISTANT_KEY, ask } from "@/api/assistant";
import { textsOf } from "@/lib/i18n";
import { Chat } from "./chat";
import { messages } from "./messages";

/** The chat of this page. What is on its way ends with the caller. */
export function useChat() {
  const client = useQueryClient();
  const [chat] = useState(
    () =>
      new Chat(
        ask,
        () => void client.invalidateQueries({ queryKey: ASSISTANT_KEY }),
        () => textsOf(messages).broken,
      ),
  );
  const state = useSyncExternalStore(chat.subscribe, () => chat.state);
  useEffect(() => () => chat.stop(), [chat]);
  useEffect(() => remember(state.conversation), [state.conversation]);
  return { chat, state };
}

const KEY = "tower.conversation";

function remember(conversation: string | null): void {
  try {
    if (conversation === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, conversation);
  } catch {
    // Storage is blocked: after a reload it is among the earlier ones.
  }
}

/** The conversation that was open before a reload, or before the language changed. */
export function rememberedConversation(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}
