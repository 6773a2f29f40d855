import type { HostProblem, LogLineView, LogSourceView } from "@/api/openapi";

export const LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "unknown"] as const;
export type Level = (typeof LEVELS)[number];
export const STREAMS = ["stdout", "stderr", "event"] as const;
export type Stream = (typeof STREAMS)[number];

/** A container whose lines are shown, with a colour of its own among those. */
export interface Source extends LogSourceView {
  colour: number;
}

export const COLOURS = 8;

/** One line as it is held here. Its container, moment and number are its place among all lines. */
export interface Entry {
  source: Source;
  atUs: number;
  ordinal: number;
  stream: Stream;
  level: Level;
  text: string;
  event: Readonly<Record<string, string | number>> | null;
  /** False for a line around one that was looked for. */
  isMatch: boolean;
}

/** The sources of one view, by container; colours are given in the order in which they are met. */
export class Sources {
  private readonly known = new Map<string, Source>();

  /** The sources an answer has, in its order. */
  meet(views: readonly LogSourceView[]): Source[] {
    return views.map((view) => {
      const before = this.known.get(view.container_id);
      if (before !== undefined) return Object.assign(before, view);
      const source = { ...view, colour: this.known.size % COLOURS };
      this.known.set(view.container_id, source);
      return source;
    });
  }

  all(): Source[] {
    return [...this.known.values()];
  }
}

export function entryOf(line: LogLineView, sources: readonly Source[]): Entry | null {
  const source = sources[line.source];
  if (source === undefined) return null;
  return {
    source,
    atUs: line.at_us,
    ordinal: line.ordinal,
    stream: line.stream as Stream,
    level: line.level as Level,
    text: line.text,
    event: line.event,
    isMatch: line.is_match,
  };
}

export function entriesOf(lines: readonly LogLineView[], sources: readonly Source[]): Entry[] {
  return lines.map((line) => entryOf(line, sources)).filter((entry) => entry !== null);
}

/** The order of lines over all hosts: by time, and within a container as they were written. */
export function compareEntries(a: Entry, b: Entry): number {
  if (a.atUs !== b.atUs) return a.atUs - b.atUs;
  if (a.source !== b.source) return a.source.container_id < b.source.container_id ? -1 : 1;
  return a.ordinal - b.ordinal;
}

/** A line's name in addresses. */
export function placeOf(entry: Entry): string {
  return `${entry.source.container_id.slice(0, 12)}-${entry.atUs}-${entry.ordinal}`;
}

export interface Place {
  container: string;
  atUs: number;
  ordinal: number;
}

export function parsePlace(text: string | undefined): Place | null {
  const match = /^([0-9a-f]{12,64})-(\d{1,17})-(\d{1,15})$/.exec(text ?? "");
  if (match === null) return null;
  return { container: match[1] ?? "", atUs: Number(match[2]), ordinal: Number(match[3]) };
}

export function isAt(entry: Entry, place: Place): boolean {
  return (
    entry.atUs === place.atUs &&
    entry.ordinal === place.ordinal &&
    entry.source.container_id.startsWith(place.container)
  );
}

export type { HostProblem };
