import { queryOptions } from "@tanstack/react-query";
import { EventStream } from "@/lib/event-stream";
import { language } from "@/lib/i18n";
import { request, send } from "./client";
import type {
  AssistantView,
  Began,
  ConversationPage,
  ConversationTold,
  Ended,
  Said,
  Suggested,
  ToolAnswered,
  ToolCalled,
} from "./openapi";

/** Questions in words, and what was asked and answered before. */

export type Part = Said | ToolCalled | ToolAnswered | Suggested | Ended;

/** A question that waits for a model to begin says so with its first event; that it was taken comes at once. */
const PATIENCE_MS = 20_000;
const LOOKING_AT_MAX = 512;
/** There is a heartbeat every ten seconds: a host that says nothing for longer has lost its power. */
export const SILENCE_MAX_MS = 30_000;

/** Every query of the assistant begins so: all are asked again when an answer is over. */
export const ASSISTANT_KEY = ["assistant"] as const;

/** Who would answer, and how many tokens are left. */
export const assistantQuery = () =>
  queryOptions({
    queryKey: [...ASSISTANT_KEY, "standing", language()],
    queryFn: ({ signal }) =>
      request<AssistantView>("/assistant", { query: { language: language() }, signal }),
  });

/** One's own conversations, newest first. */
export const conversationsQuery = queryOptions({
  queryKey: [...ASSISTANT_KEY, "conversations"],
  queryFn: async ({ signal }) =>
    (await request<ConversationPage>("/assistant/conversations", { signal })).items,
});

export const conversationQuery = (id: string) =>
  queryOptions({
    queryKey: [...ASSISTANT_KEY, "conversation", id],
    queryFn: ({ signal }) => request<ConversationTold>(pathOf(id), { signal }),
    // It is read to be gone on with.
    staleTime: 0,
    gcTime: 0,
  });

export function forget(id: string): Promise<void> {
  return request(pathOf(id), { method: "DELETE" });
}

export interface Question {
  /** Null begins one. */
  conversation: string | null;
  text: string;
  /** The page that the asker has open. */
  lookingAt: string;
}

/**
 * Ask, and hand over what comes. Aborting `signal` ends the answer at the server too. What comes without an `ended` at
 * its end was broken off on its way.
 */
export async function ask(
  { conversation, text, lookingAt }: Question,
  onEvent: (event: Began | Part) => void,
  signal: AbortSignal,
): Promise<void> {
  const path = conversation === null ? "/assistant/conversations" : `${pathOf(conversation)}/exchanges`;
  const response = await send(path, {
    method: "POST",
    body: { text, language: language(), looking_at: lookingAt.length > LOOKING_AT_MAX ? "" : lookingAt },
    accept: "text/event-stream",
    patienceMs: PATIENCE_MS,
    signal,
  });
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const events = new EventStream();
  const decoder = new TextDecoder();
  for (;;) {
    const chunk = await nextOf(reader, signal);
    if (chunk === null) return;
    for (const data of events.push(decoder.decode(chunk, { stream: true }))) {
      onEvent(JSON.parse(data) as Began | Part);
    }
  }
}

/** What comes next; null when that is nothing more. */
async function nextOf(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  const timer = setTimeout(() => void reader.cancel(), SILENCE_MAX_MS);
  try {
    const { done, value } = await reader.read();
    return done ? null : value;
  } catch (error) {
    if (signal.aborted || !(error instanceof TypeError)) throw error;
    // The connection broke.
    return null;
  } finally {
    clearTimeout(timer);
  }
}

function pathOf(conversation: string): string {
  return `/assistant/conversations/${encodeURIComponent(conversation)}`;
}
