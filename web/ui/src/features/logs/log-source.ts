import { request, send, urlOf } from "@/api/client";
import type {
  HostProblem,
  LogHistogramView,
  LogLineView,
  LogPageView,
  LogSourcesView,
  LogSourceView,
} from "@/api/openapi";
import { Ndjson } from "@/lib/ndjson";
import type { Level, Stream } from "./entries";
import { LEVELS, STREAMS } from "./entries";

/** A search takes its time, the first one a process that is started for it. */
const PATIENCE_MS = 25_000;

/** Whose lines; nothing of all: everybody's. */
export interface Choice {
  containers: readonly string[];
  services: readonly string[];
  projects: readonly string[];
  hosts: readonly string[];
}

/** Which lines. `text` is looked for by the host when it is given here. */
export interface LineFilter {
  levels: readonly Level[];
  streams: readonly Stream[];
  text: string;
  isRegex: boolean;
  isCaseSensitive: boolean;
  context: number;
}

export function choiceQuery(choice: Choice): Record<string, string> {
  return {
    containers: choice.containers.join(","),
    services: choice.services.join(","),
    projects: choice.projects.join(","),
    hosts: choice.hosts.join(","),
  };
}

export function filterQuery(filter: LineFilter): Record<string, string | boolean | number | null> {
  const isSome = <Value>(chosen: readonly Value[], all: readonly Value[]) =>
    chosen.length > 0 && chosen.length < all.length;
  return {
    levels: isSome(filter.levels, LEVELS) ? filter.levels.join(",") : null,
    streams: isSome(filter.streams, STREAMS) ? filter.streams.join(",") : null,
    q: filter.text,
    regex: filter.text !== "" && filter.isRegex ? true : null,
    case: filter.text !== "" && filter.isCaseSensitive ? true : null,
  };
}

export interface PageRequest {
  order: "newest" | "oldest";
  cursor?: string | null;
  sinceUs?: number | undefined;
  untilUs?: number | undefined;
  limit: number;
}

export function readPage(
  choice: Choice,
  filter: LineFilter,
  page: PageRequest,
  signal?: AbortSignal,
): Promise<LogPageView> {
  return request<LogPageView>("/logs", {
    query: {
      ...choiceQuery(choice),
      ...filterQuery(filter),
      context: filter.text === "" ? null : filter.context || null,
      order: page.order,
      cursor: page.cursor,
      since_us: page.sinceUs,
      until_us: page.untilUs,
      limit: page.limit,
    },
    patienceMs: PATIENCE_MS,
    ...(signal === undefined ? {} : { signal }),
  });
}

export function readSources(signal: AbortSignal): Promise<LogSourcesView> {
  return request<LogSourcesView>("/logs/sources", { signal, patienceMs: PATIENCE_MS });
}

export function readHistogram(
  choice: Choice,
  span: string,
  steps: number,
  signal: AbortSignal,
): Promise<LogHistogramView> {
  return request<LogHistogramView>("/logs/histogram", {
    query: { ...choiceQuery(choice), since: span, steps },
    signal,
    patienceMs: PATIENCE_MS,
  });
}

export function downloadAddress(
  choice: Choice,
  filter: LineFilter | null,
  format: "text" | "ndjson",
): string {
  return urlOf("/logs/download", {
    ...choiceQuery(choice),
    ...(filter === null ? {} : filterQuery(filter)),
    format,
  });
}

/** What comes on a stream that follows, one of these a line. */
export type Followed =
  | { sources: LogSourceView[]; problems: HostProblem[] }
  | { lines: LogLineView[]; missed: number }
  | { ended: string }
  | { error: string };

/** Follow until the stream ends or `signal` aborts. Raises ApiError or Unreachable when it cannot begin. */
export async function follow(
  choice: Choice,
  filter: LineFilter,
  { afterUs, tail }: { afterUs: number; tail: number },
  onMessages: (messages: Followed[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const { levels, streams } = filterQuery(filter);
  const response = await send("/logs/follow", {
    query: { ...choiceQuery(choice), levels, streams, after_us: afterUs || null, tail: tail || null },
    accept: "application/x-ndjson",
    patienceMs: PATIENCE_MS,
    signal,
  });
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const parser = new Ndjson<Followed>();
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const messages = parser.push(decoder.decode(value, { stream: true }));
    if (messages.length > 0) onMessages(messages);
  }
}
