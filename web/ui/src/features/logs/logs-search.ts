import { oneIn, textIn, wholeIn } from "@/components/page-search";
import { listIn } from "@/lib/lists";
import { LEVELS, type Level, STREAMS, type Stream } from "./entries";
import type { Choice, LineFilter } from "./log-source";

/** What of the page is in its address. Lists have commas between. */
export interface LogsSearch {
  /** Containers, services, projects, hosts. */
  c?: string | undefined;
  s?: string | undefined;
  p?: string | undefined;
  h?: string | undefined;
  level?: string | undefined;
  stream?: string | undefined;
  q?: string | undefined;
  re?: true | undefined;
  case?: true | undefined;
  /** Only lines that match. */
  only?: true | undefined;
  around?: number | undefined;
  /** A moment in epoch microseconds. */
  at?: number | undefined;
  /** One line: see `placeOf`. */
  line?: string | undefined;
  /** Fields of JSON lines that are shown. */
  f?: string | undefined;
  span?: Span | undefined;
}

export const SPANS = ["15m", "1h", "6h", "1d", "7d"] as const;
export type Span = (typeof SPANS)[number];

export function parseLogsSearch(raw: Record<string, unknown>): LogsSearch {
  const flag = (value: unknown) => (value === true || value === "true" || value === 1 ? true : undefined);
  const search: LogsSearch = {
    c: textIn(raw.c),
    s: textIn(raw.s),
    p: textIn(raw.p),
    h: textIn(raw.h),
    level: textIn(raw.level),
    stream: textIn(raw.stream),
    q: textIn(raw.q),
    re: flag(raw.re),
    case: flag(raw.case),
    only: flag(raw.only),
    around: Math.min(50, wholeIn(raw.around) ?? 0) || undefined,
    at: wholeIn(raw.at),
    line: textIn(raw.line),
    f: textIn(raw.f),
    span: oneIn(SPANS, raw.span),
  };
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined));
}

export function choiceIn(search: LogsSearch): Choice {
  return {
    // Other pages name a container with its host before it: its id alone says which one it is.
    containers: listIn(search.c).map((each) => each.slice(each.lastIndexOf(":") + 1)),
    services: listIn(search.s),
    projects: listIn(search.p),
    hosts: listIn(search.h),
  };
}

export function filterIn(search: LogsSearch): LineFilter {
  const levels = new Set(listIn(search.level));
  const streams = new Set(listIn(search.stream));
  return {
    levels: LEVELS.filter((each): each is Level => levels.has(each)),
    streams: STREAMS.filter((each): each is Stream => streams.has(each)),
    text: search.q ?? "",
    isRegex: search.re === true,
    isCaseSensitive: search.case === true,
    context: search.around ?? 0,
  };
}
