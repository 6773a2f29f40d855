import { send } from "@/api/client";
import { ApiError } from "@/api/problem";
import { Ndjson } from "@/lib/ndjson";

/** One line of a container's output. */
export interface LogLine {
  stream: string;
  at_ms: number;
  text: string;
}

export type LogPhase = "connecting" | "following" | "ended" | "reconnecting";

export interface LogSource {
  containerId: string;
  nodeId: string;
  tail: number;
}

export interface LogListener {
  onLines: (lines: LogLine[]) => void;
  onPhase: (phase: LogPhase) => void;
  onError: (error: unknown) => void;
}

const RETRY_MS = 2_000;

/** What the server says in a stream that it has to end: its host went away, or the session did. */
interface LastWords {
  error: string;
}

class StreamBroke extends Error {
  override readonly name = "StreamBroke";
}

function isLast(record: LogLine | LastWords): record is LastWords {
  return "error" in record;
}

/**
 * Follow a container's output until `signal` aborts. A stream that breaks is taken up where it was, with no line
 * twice: the server gives lines from a moment on, and those already seen of that moment are left out.
 */
export async function followLogs(
  source: LogSource,
  listener: LogListener,
  signal: AbortSignal,
): Promise<void> {
  const place = new Place();
  listener.onPhase("connecting");
  while (!signal.aborted) {
    try {
      await readOnce(source, place, listener, signal);
      // The container ended its output: it stopped, or it was removed.
      if (!signal.aborted) listener.onPhase("ended");
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status < 500) {
        listener.onError(error);
        return;
      }
      listener.onPhase("reconnecting");
      await sleep(RETRY_MS, signal);
    }
  }
}

async function readOnce(
  source: LogSource,
  place: Place,
  listener: LogListener,
  signal: AbortSignal,
): Promise<void> {
  const response = await send(`/logs/${encodeURIComponent(source.containerId)}`, {
    query: { node: source.nodeId, follow: true, ...place.query(source.tail) },
    accept: "application/x-ndjson",
    signal,
  });
  listener.onPhase("following");
  place.resume();
  const parser = new Ndjson<LogLine | LastWords>();
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const records = parser.push(decoder.decode(value, { stream: true }));
    const lines = records.filter((record): record is LogLine => !isLast(record) && place.isNew(record));
    if (lines.length > 0) listener.onLines(lines);
    const last = records.find(isLast);
    if (last !== undefined) throw new StreamBroke(last.error);
  }
}

/** How far the output was read: the newest moment, and how many lines of it. */
export class Place {
  private lastMs = 0;
  private seenAtLast = 0;
  private toSkip = 0;

  query(tail: number): { tail?: number; since?: number } {
    return this.lastMs === 0 ? { tail } : { since: this.lastMs };
  }

  /** A stream begins that may repeat the lines of the newest moment. */
  resume(): void {
    this.toSkip = this.seenAtLast;
  }

  isNew(line: LogLine): boolean {
    if (line.at_ms < this.lastMs) return false;
    if (line.at_ms === this.lastMs && this.toSkip > 0) {
      this.toSkip -= 1;
      return false;
    }
    this.seenAtLast = line.at_ms === this.lastMs ? this.seenAtLast + 1 : 1;
    this.lastMs = line.at_ms;
    return true;
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
