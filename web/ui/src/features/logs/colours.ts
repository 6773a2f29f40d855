import type { Level } from "./entries";

/** Marks of containers; the name stands beside them. */
export const SOURCE_MARKS = [
  "bg-series-1",
  "bg-series-2",
  "bg-series-3",
  "bg-series-4",
  "bg-series-5",
  "bg-series-6",
  "bg-series-7",
  "bg-series-8",
] as const;

export const LEVEL_TEXT: Record<Level, string> = {
  fatal: "text-bad font-semibold",
  error: "text-bad",
  warn: "text-warn",
  info: "text-muted",
  debug: "text-muted",
  trace: "text-muted",
  unknown: "text-muted",
};

export const LEVEL_EDGE: Record<Level, string> = {
  fatal: "border-bad-mark",
  error: "border-bad-mark",
  warn: "border-warn-mark",
  info: "border-transparent",
  debug: "border-transparent",
  trace: "border-transparent",
  unknown: "border-transparent",
};

export const LEVEL_FILL: Record<Level, string> = {
  fatal: "fill-bad-mark",
  error: "fill-bad-mark",
  warn: "fill-warn-mark",
  info: "fill-accent",
  debug: "fill-series-2",
  trace: "fill-series-2",
  unknown: "fill-line-strong",
};
