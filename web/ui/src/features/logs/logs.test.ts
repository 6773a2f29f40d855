// @vitest-environment happy-dom
import { afterEach, expect, test, vi } from "vitest";
import { plainText, spansOf } from "./ansi";
import { followLogs, type LogLine, type LogPhase, Place } from "./log-stream";

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("colours are kept, everything else of a terminal is left out", () => {
  expect(spansOf("\u001b[1;31mERROR\u001b[0m it\u001b[2K broke\u001b]0;title\u0007")).toEqual([
    { text: "ERROR", className: "text-bad font-bold" },
    { text: " it", className: "" },
    { text: " broke", className: "" },
  ]);
  expect(plainText("\u001b[32mok\u001b[39m now")).toBe("ok now");
});

const line = (at_ms: number, text: string): LogLine => ({ stream: "stdout", at_ms, text });

test("a stream that is taken up again repeats no line and loses none", () => {
  const all = [line(1, "a"), line(2, "b"), line(2, "c"), line(2, "d"), line(3, "e")];
  for (let cut = 1; cut < all.length; cut += 1) {
    const place = new Place();
    place.resume();
    const before = all.slice(0, cut).filter((each) => place.isNew(each));
    const since = place.query(100).since ?? 0;
    place.resume();
    const after = all.filter((each) => each.at_ms >= since && place.isNew(each));
    expect([...before, ...after].map((each) => each.text)).toEqual(["a", "b", "c", "d", "e"]);
  }
});

function streamOf(...texts: string[]): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream({
    start(controller) {
      for (const text of texts) controller.enqueue(encoder.encode(text));
      controller.close();
    },
  });
  return new Response(body, { status: 200 });
}

test("a stream that broke is taken up where it was, one that ended is not", async () => {
  vi.useFakeTimers();
  const asked: string[] = [];
  const answers = [
    streamOf('{"stream":"stdout","at_ms":5,"text":"one"}\n{"error":"the agent is stopping"}\n'),
    streamOf('{"stream":"stdout","at_ms":5,"text":"one"}\n\n{"stream":"stdout","at_ms":6,"text":"two"}\n'),
  ];
  vi.stubGlobal("fetch", async (path: string) => {
    asked.push(path);
    return answers.shift();
  });
  const texts: string[] = [];
  const phases: LogPhase[] = [];
  const following = followLogs(
    { containerId: "abc", nodeId: "n1", tail: 50 },
    {
      onLines: (lines) => texts.push(...lines.map((each) => each.text)),
      onPhase: (phase) => phases.push(phase),
      onError: () => phases.push("ended"),
    },
    new AbortController().signal,
  );
  await vi.advanceTimersByTimeAsync(2_000);
  await following;
  expect(texts).toEqual(["one", "two"]);
  expect(phases).toEqual(["connecting", "following", "reconnecting", "following", "ended"]);
  expect(asked).toEqual([
    "/api/v1/logs/abc?node=n1&follow=true&tail=50",
    "/api/v1/logs/abc?node=n1&follow=true&since=5",
  ]);
});
