import { expect, test } from "vitest";
import { EventStream } from "./event-stream";

test("events come out whole, however the text is cut up", () => {
  const stream = new EventStream();
  expect(stream.push('data: {"a"')).toEqual([]);
  expect(stream.push(':1}\n\ndata: {"b":2}\n')).toEqual(['{"a":1}']);
  expect(stream.push("\n")).toEqual(['{"b":2}']);
});

test("comments are heartbeats, and names of events are no data", () => {
  expect(new EventStream().push(": still here\n\nevent: part\ndata: 1\n\n")).toEqual(["1"]);
});

test("data of several lines is one text", () => {
  expect(new EventStream().push("data: one\ndata: two\n\n")).toEqual(["one\ntwo"]);
});
