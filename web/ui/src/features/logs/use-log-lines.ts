import { useEffect, useState } from "react";
import { followLogs, type LogLine, type LogPhase, type LogSource } from "./log-stream";

/** More would only make the page slow: what is older is in the download. */
export const LINES_MAX = 5_000;

export interface NumberedLine extends LogLine {
  number: number;
}

export interface LogState {
  lines: readonly NumberedLine[];
  /** How many of the oldest were let go. */
  dropped: number;
  phase: LogPhase;
  error: unknown;
}

const START: LogState = { lines: [], dropped: 0, phase: "connecting", error: null };

/** The output of a container as it comes, in one update per frame however fast it is. */
export function useLogLines({ containerId, nodeId, tail }: LogSource): LogState {
  const [state, setState] = useState(START);
  useEffect(() => {
    const abort = new AbortController();
    let waiting: NumberedLine[] = [];
    let count = 0;
    let frame = 0;
    setState(START);
    const flush = () => {
      frame = 0;
      const more = waiting;
      waiting = [];
      setState((before) => {
        const all = [...before.lines, ...more];
        const excess = Math.max(0, all.length - LINES_MAX);
        return { ...before, lines: excess > 0 ? all.slice(excess) : all, dropped: before.dropped + excess };
      });
    };
    void followLogs(
      { containerId, nodeId, tail },
      {
        onLines: (lines) => {
          for (const line of lines) {
            count += 1;
            waiting.push({ ...line, number: count });
          }
          if (frame === 0) frame = requestAnimationFrame(flush);
        },
        onPhase: (phase) => setState((before) => ({ ...before, phase })),
        onError: (error) => setState((before) => ({ ...before, error, phase: "ended" })),
      },
      abort.signal,
    );
    return () => {
      abort.abort();
      cancelAnimationFrame(frame);
    };
  }, [containerId, nodeId, tail]);
  return state;
}
