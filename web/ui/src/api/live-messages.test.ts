import { expect, test } from "vitest";
import { parseLive } from "./live-messages";

test("news and heartbeats are told apart from what this page does not know", () => {
  expect(parseLive('{"topic":"metrics","data":[]}')).toEqual({ message: { topic: "metrics", data: [] } });
  expect(parseLive('{"heartbeat":1767225600000}')).toEqual({ heartbeatMs: 1767225600000 });
  for (const text of [
    '{"topic":"weather","data":1}',
    '{"topic":"services","error":"no"}',
    '{"dropped":3}',
    "7",
    "{",
    null,
  ])
    expect(parseLive(text)).toBeNull();
});
