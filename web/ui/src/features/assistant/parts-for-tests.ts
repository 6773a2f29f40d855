import type { Began, Ended, Said, ToolAnswered, ToolCalled } from "@/api/openapi";

/** Parts of answers, showing what a test is about. */

export const said = (text: string): Said => ({ kind: "said", text });

export const called = (id: string): ToolCalled => ({
  kind: "tool-called",
  id,
  tool: "read-logs",
  title: "Read the log",
  arguments: {},
});

export const answered = (id: string, more: Partial<ToolAnswered> = {}): ToolAnswered => ({
  kind: "tool-answered",
  id,
  text: "",
  is_error: false,
  plan_id: null,
  references: [],
  ...more,
});

export const ended = (how: Ended["how"] = "answered"): Ended => ({
  kind: "ended",
  how,
  reason: "",
  tokens: 1,
});

export const began = (conversation: string): Began => ({
  kind: "began",
  conversation,
  number: 1,
  answerer: "rules",
  no_model: null,
});
