import { API } from "@/api/client";

/** A command in a container over a WebSocket (web/live/terminal.py says what goes over it). */

export interface ExecWish {
  command: string[];
  user: string;
  columns: number;
  rows: number;
}

/** How it ended: with a code, or why there is none. */
export type ExecEnd =
  | { kind: "exited"; code: number | null }
  | { kind: "problem"; text: string }
  | { kind: "closed"; code: number };

export interface ExecEvents {
  onBegun: () => void;
  onOutput: (data: Uint8Array) => void;
  onEnd: (end: ExecEnd) => void;
}

export interface ExecSocket {
  write: (data: Uint8Array | string) => void;
  resize: (columns: number, rows: number) => void;
  close: () => void;
}

export function execUrl(base: string, nodeId: string, containerId: string): string {
  const url = new URL(`${API}/containers/${encodeURIComponent(containerId)}/exec`, base);
  url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
  url.searchParams.set("node", nodeId);
  return url.toString();
}

type Told = { begun?: unknown; exit_code?: number | null; problem?: { detail?: string; hint?: string } };

export function openExec(
  url: string,
  wish: ExecWish,
  events: ExecEvents,
  Socket: typeof WebSocket = WebSocket,
): ExecSocket {
  const socket = new Socket(url);
  socket.binaryType = "arraybuffer";
  const encoder = new TextEncoder();
  let isOver = false;
  const end = (how: ExecEnd) => {
    if (isOver) return;
    isOver = true;
    events.onEnd(how);
  };
  socket.onopen = () =>
    socket.send(
      JSON.stringify({
        command: wish.command,
        user: wish.user,
        tty: true,
        columns: wish.columns,
        rows: wish.rows,
      }),
    );
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    // The first byte says which of the two outputs it is; with a terminal they are one.
    if (typeof data !== "string") events.onOutput(new Uint8Array(data, 1));
    else hear(JSON.parse(data) as Told);
  };
  const hear = (told: Told) => {
    if (told.begun !== undefined) events.onBegun();
    else if (told.problem !== undefined) {
      end({
        kind: "problem",
        text: [told.problem.detail, told.problem.hint].filter(Boolean).join(". "),
      });
    } else if (told.exit_code !== undefined) end({ kind: "exited", code: told.exit_code });
  };
  socket.onclose = ({ code }) => end({ kind: "closed", code });
  const send = (data: string | Uint8Array<ArrayBuffer>) => {
    if (socket.readyState === Socket.OPEN) socket.send(data);
  };
  return {
    write: (data) => send(typeof data === "string" ? encoder.encode(data) : new Uint8Array(data)),
    resize: (columns, rows) => send(JSON.stringify({ columns, rows })),
    close: () => {
      isOver = true;
      socket.close(1000);
    },
  };
}

/** A line of a command as words, as a shell would take it apart; null for a quote that is not closed. */
export function wordsOf(line: string): string[] | null {
  const words: string[] = [];
  let word: string | null = null;
  let quote: string | null = null;
  for (let place = 0; place < line.length; place += 1) {
    const letter = line[place] ?? "";
    if (quote !== null) {
      if (letter === quote) quote = null;
      else if (letter === "\\" && quote === '"' && place + 1 < line.length) word += line[++place] ?? "";
      else word += letter;
    } else if (letter === "'" || letter === '"') {
      quote = letter;
      word ??= "";
    } else if (letter === "\\" && place + 1 < line.length) word = (word ?? "") + (line[++place] ?? "");
    else if (/\s/.test(letter)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? "") + letter;
  }
  if (quote !== null) return null;
  return word === null ? words : [...words, word];
}
