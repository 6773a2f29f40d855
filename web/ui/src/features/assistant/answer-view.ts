import type { Part } from "@/api/assistant";
import type { Ended, Reference, ToolAnswered, ToolCalled } from "@/api/openapi";

/** What of an answer is shown in a piece: its text as it was put together, or a tool with what it gave. */
export type Item =
  | { kind: "text"; text: string }
  | { kind: "call"; called: ToolCalled; answered: ToolAnswered | null };

export interface AnswerView {
  items: readonly Item[];
  references: ReadonlyMap<number, Reference>;
  questions: readonly string[];
  ended: Ended | null;
}

/** Put the parts of an answer together as they are read. A part that is not known here is left out. */
export function viewOf(parts: readonly Part[]): AnswerView {
  const items: Item[] = [];
  const references = new Map<number, Reference>();
  let questions: readonly string[] = [];
  let ended: Ended | null = null;
  for (const part of parts) {
    switch (part.kind) {
      case "said": {
        const last = items.at(-1);
        if (last?.kind === "text") last.text += part.text;
        else items.push({ kind: "text", text: part.text });
        break;
      }
      case "tool-called":
        items.push({ kind: "call", called: part, answered: null });
        break;
      case "tool-answered": {
        const call = items.find((item) => item.kind === "call" && item.called.id === part.id);
        if (call?.kind === "call") call.answered = part;
        for (const reference of part.references) references.set(reference.number, reference);
        break;
      }
      case "suggested":
        questions = part.questions;
        break;
      case "ended":
        ended = part;
    }
  }
  return {
    items: items.filter((item) => item.kind === "call" || item.text.trim() !== ""),
    references,
    questions,
    ended,
  };
}
