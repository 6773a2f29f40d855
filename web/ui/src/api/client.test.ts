// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { renewSession, request, setCsrfToken, urlOf, whenSessionLost } from "./client";
import { ApiError, Unreachable } from "./problem";

type Answer = { status: number; body?: unknown } | Error;

let asked: { path: string; init: RequestInit }[];
let answers: Map<string, Answer[]>;
const lost = vi.fn();

beforeEach(() => {
  asked = [];
  answers = new Map();
  lost.mockClear();
  whenSessionLost(lost);
  setCsrfToken(null);
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    asked.push({ path, init });
    const answer = answers.get(path)?.shift() ?? new Error(`nothing answers ${path}`);
    if (answer instanceof Error) throw answer;
    return new Response(answer.body === undefined ? null : JSON.stringify(answer.body), {
      status: answer.status,
    });
  });
});

afterEach(() => vi.unstubAllGlobals());

function serve(path: string, ...list: Answer[]): void {
  answers.set(`/api/v1${path}`, list);
}

const headerOf = (name: string) => asked.map(({ init }) => (init.headers as Headers).get(name));

test("a query leaves out what is not set", () => {
  expect(urlOf("/containers", { node: "h 1", cursor: null, q: "", limit: 5, force: false })).toBe(
    "/api/v1/containers?node=h+1&limit=5&force=false",
  );
});

test("changes carry the CSRF token, reads do not", async () => {
  setCsrfToken("secret");
  serve("/a", { status: 200, body: 1 }, { status: 204 });
  await request("/a");
  expect(await request("/a", { method: "POST", body: {} })).toBeUndefined();
  expect(headerOf("X-CSRF-Token")).toEqual([null, "secret"]);
});

test("a session that ran out is renewed once, for all who were refused, and the requests are made again", async () => {
  serve("/a", { status: 401 }, { status: 200, body: "a" });
  serve("/b", { status: 401 }, { status: 200, body: "b" });
  serve("/auth/refresh", { status: 200, body: { csrf_token: "newer" } });
  expect(await Promise.all([request("/a"), request("/b")])).toEqual(["a", "b"]);
  expect(asked.filter(({ path }) => path.endsWith("/refresh"))).toHaveLength(1);
  expect(lost).not.toHaveBeenCalled();
  serve("/c", { status: 204 });
  await request("/c", { method: "DELETE" });
  expect(headerOf("X-CSRF-Token").at(-1)).toBe("newer");
});

test("a session that is over is said to be lost, after one try", async () => {
  serve("/a", {
    status: 401,
    body: { title: "Not logged in", status: 401, type: "urn:tower:problem:not-authenticated" },
  });
  serve("/auth/refresh", { status: 401 });
  await expect(request("/a")).rejects.toMatchObject({ status: 401, kind: "not-authenticated" });
  expect(lost).toHaveBeenCalledOnce();
});

test("without a leader nobody is logged out", async () => {
  serve("/a", { status: 401 });
  serve("/auth/refresh", {
    status: 503,
    body: { title: "Not available at the moment", detail: "no leader is known" },
  });
  await expect(request("/a")).rejects.toThrow("no leader is known");
  expect(lost).not.toHaveBeenCalled();
});

test("a token that another window exchanged at the same moment is good enough", async () => {
  serve("/auth/refresh", { status: 409 });
  expect(await renewSession()).toBe(true);
});

test("a login that is refused does not try to renew anything", async () => {
  serve("/auth/login", { status: 401 });
  await expect(request("/auth/login", { method: "POST", refresh: false })).rejects.toBeInstanceOf(ApiError);
  expect(asked).toHaveLength(1);
});

test("no answer and an answer that is no problem document are errors with words of their own", async () => {
  const refused = new TypeError("fetch failed");
  serve("/a", refused, refused, { status: 502, body: "<html>" });
  await expect(request("/a")).rejects.toBeInstanceOf(Unreachable);
  await expect(request("/a")).rejects.toMatchObject({ status: 502 });
});

test("what reads is tried once more after the network refused it, and what changes is not", async () => {
  serve("/a", new TypeError("network changed"), { status: 200, body: {} });
  await expect(request("/a")).resolves.toEqual({});
  serve("/b", new TypeError("network changed"), { status: 200, body: {} });
  await expect(request("/b", { method: "POST" })).rejects.toBeInstanceOf(Unreachable);
});

test("the hints of a problem and of its findings are what to do next", async () => {
  const findings = [
    { field: "name", value: "", rule: "is empty", hint: "give one" },
    { field: "x", value: 1, rule: "y", hint: "" },
  ];
  serve("/a", { status: 422, body: { title: "Invalid", hint: "see below", errors: findings } });
  const error = await request("/a").catch((thrown: unknown) => thrown);
  expect(error instanceof ApiError && error.hints).toEqual(["see below", "give one"]);
});

test("a host that does not even refuse is given up, and its late answer is not waited for", async () => {
  vi.useFakeTimers();
  vi.stubGlobal(
    "fetch",
    (_: string, { signal }: RequestInit) =>
      new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new Error("aborted")))),
  );
  const answer = request("/a").catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await answer).toBeInstanceOf(Unreachable);
  vi.useRealTimers();
});
