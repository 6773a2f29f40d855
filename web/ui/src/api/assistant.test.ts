// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ask, SILENCE_MAX_MS } from "./assistant";
import { ApiError } from "./problem";

const QUESTION = { conversation: null, text: "Is all well?", lookingAt: "/alerts" };

let asked: { path: string; init: RequestInit }[];
let stream: ReadableStreamDefaultController<Uint8Array>;
let response: () => Response;

beforeEach(() => {
  asked = [];
  response = () =>
    new Response(
      new ReadableStream<Uint8Array>({
        start: (controller) => {
          stream = controller;
        },
      }),
    );
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    asked.push({ path, init });
    return response();
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const write = (text: string) => stream.enqueue(new TextEncoder().encode(text));

test("the first question begins a conversation, the next goes on with it", async () => {
  response = () => new Response("");
  const signal = new AbortController().signal;
  await ask(QUESTION, () => {}, signal);
  await ask({ ...QUESTION, conversation: "cv 1", lookingAt: `/${"x".repeat(600)}` }, () => {}, signal);
  expect(asked.map(({ path }) => path)).toEqual([
    "/api/v1/assistant/conversations",
    "/api/v1/assistant/conversations/cv%201/exchanges",
  ]);
  // An address that is too long is left out rather than cut.
  expect(asked.map(({ init }) => JSON.parse(String(init.body)).looking_at)).toEqual(["/alerts", ""]);
});

test("events are handed over as they come, and the answer ends with the stream", async () => {
  const events: unknown[] = [];
  const asking = ask(QUESTION, (event) => events.push(event), new AbortController().signal);
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  write('data: {"kind":"said","text":"caf');
  write('é"}\n\n: heartbeat\n\n');
  await vi.waitFor(() => expect(events).toEqual([{ kind: "said", text: "café" }]));
  stream.close();
  await asking;
});

test("a connection that breaks ends it like a stream without an end", async () => {
  const asking = ask(QUESTION, () => {}, new AbortController().signal);
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  stream.error(new TypeError("network error"));
  await expect(asking).resolves.toBeUndefined();
});

test("a host that says nothing for longer than its heartbeats take is given up", async () => {
  vi.useFakeTimers();
  let isOver = false;
  const asking = ask(QUESTION, () => {}, new AbortController().signal).then(() => {
    isOver = true;
  });
  await vi.advanceTimersByTimeAsync(SILENCE_MAX_MS - 1);
  write(": heartbeat\n\n");
  await vi.advanceTimersByTimeAsync(SILENCE_MAX_MS - 1);
  expect(isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await asking;
  expect(isOver).toBe(true);
});

test("a refusal is raised with its reason", async () => {
  response = () => new Response(JSON.stringify({ title: "Not possible", detail: "busy" }), { status: 409 });
  const asking = ask(QUESTION, () => {}, new AbortController().signal);
  await expect(asking).rejects.toThrow("busy");
  await expect(asking).rejects.toBeInstanceOf(ApiError);
});
