import type { Part, Question } from "@/api/assistant";
import type { Began } from "@/api/openapi";

/** A question with as much of its answer as is there. */
export interface Exchange {
  /** What tells it from others on the page. */
  key: number;
  question: string;
  parts: readonly Part[];
  /** Why there is no answer, or no more of it. */
  error: Error | null;
  /** What tools said was too long to be kept whole. */
  isShortened: boolean;
}

/** As the server keeps it. */
export interface KeptExchange {
  question: string;
  parts: readonly Part[];
  is_shortened: boolean;
}

export interface ChatState {
  /** Null until the server has begun to keep it. */
  conversation: string | null;
  exchanges: readonly Exchange[];
  isAnswering: boolean;
  /** Another with each conversation that is shown. */
  view: number;
}

/** Asks, and hands over what comes until the answer is over or `signal` aborts. */
export type Send = (
  question: Question,
  onEvent: (event: Began | Part) => void,
  signal: AbortSignal,
) => Promise<void>;

const EMPTY: ChatState = { conversation: null, exchanges: [], isAnswering: false, view: 0 };

/** The conversation that is open, and the one answer that may be on its way. */
export class Chat {
  private current = EMPTY;
  private answering: AbortController | null = null;
  private lastKey = 0;
  private readonly listeners = new Set<() => void>();

  /** `onOver` is called after each answer: what is kept and what is left to use have changed. */
  constructor(
    private readonly send: Send,
    private readonly onOver: () => void,
    private readonly broken: () => string,
  ) {}

  get state(): ChatState {
    return this.current;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Ask. Nothing happens while an answer is on its way. */
  async ask(text: string, lookingAt: string): Promise<void> {
    if (this.answering !== null) return;
    const answering = new AbortController();
    this.answering = answering;
    this.lastKey += 1;
    const key = this.lastKey;
    const { conversation, exchanges } = this.current;
    const asked: Exchange = { key, question: text, parts: [], error: null, isShortened: false };
    this.publish({ ...this.current, exchanges: [...exchanges, asked], isAnswering: true });
    let isOver = false;
    try {
      await this.send(
        { conversation, text, lookingAt },
        (part) => {
          // A reader that was stopped may still hand over what it had.
          if (this.answering !== answering) return;
          if (part.kind === "began")
            return this.publish({ ...this.current, conversation: part.conversation });
          isOver ||= part.kind === "ended";
          this.change(key, (exchange) => ({ ...exchange, parts: [...exchange.parts, part] }));
        },
        answering.signal,
      );
      if (!isOver) throw new Error(this.broken());
    } catch (error) {
      if (answering.signal.aborted) return;
      this.change(key, (exchange) => ({ ...exchange, error: asError(error) }));
    } finally {
      if (this.answering === answering) this.end();
      this.onOver();
    }
  }

  /** Ask the last question again, in place of the answer it did not get. */
  askAgain(lookingAt: string): Promise<void> {
    const { exchanges } = this.current;
    const last = exchanges.at(-1);
    if (last === undefined || this.answering !== null) return Promise.resolve();
    if (last.parts.length === 0) this.publish({ ...this.current, exchanges: exchanges.slice(0, -1) });
    return this.ask(last.question, lookingAt);
  }

  /** Want no more of the answer that is on its way; what came of it stays. */
  stop(): void {
    if (this.answering === null) return;
    const last = this.current.exchanges.at(-1);
    this.answering.abort();
    if (last !== undefined) {
      const stopped: Part = { kind: "ended", how: "stopped", reason: "", tokens: 0 };
      this.change(last.key, (exchange) => ({ ...exchange, parts: [...exchange.parts, stopped] }));
    }
    this.end();
  }

  /** Show a conversation that was kept; without one, begin anew. */
  show(conversation: string | null = null, kept: readonly KeptExchange[] = []): void {
    this.answering?.abort();
    this.answering = null;
    const exchanges = kept.map(({ question, parts, is_shortened: isShortened }) => {
      this.lastKey += 1;
      return { key: this.lastKey, question, parts, error: null, isShortened };
    });
    this.publish({ conversation, exchanges, isAnswering: false, view: this.current.view + 1 });
  }

  private end(): void {
    this.answering = null;
    this.publish({ ...this.current, isAnswering: false });
  }

  private change(key: number, change: (exchange: Exchange) => Exchange): void {
    const exchanges = this.current.exchanges.map((each) => (each.key === key ? change(each) : each));
    this.publish({ ...this.current, exchanges });
  }

  private publish(next: ChatState): void {
    this.current = next;
    for (const each of this.listeners) each();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
