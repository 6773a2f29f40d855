import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LiveConnection, type LiveOptions } from "./live-connection";

class FakeSocket {
  static made: FakeSocket[] = [];
  sent: string[] = [];
  isClosed = false;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.made.push(this);
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.isClosed = true;
  }
}

const newest = () => FakeSocket.made.at(-1) as FakeSocket;

beforeEach(() => {
  FakeSocket.made = [];
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function connect(options: Partial<LiveOptions> = {}): LiveConnection {
  const connection = new LiveConnection({
    url: "wss://h1/api/v1/live",
    onMessage: () => {},
    onHeartbeat: () => {},
    checkSession: async () => {},
    random: () => 1,
    ...options,
  });
  connection.connect();
  return connection;
}

test("it asks for every topic as soon as it is open", () => {
  const connection = connect();
  newest().onopen?.();
  expect(newest().sent).toEqual([
    '{"subscribe":["cluster","containers","services","metrics","alerts","plans"]}',
  ]);
  expect(connection.getStatus()).toEqual({ phase: "open" });
});

test("it comes back with growing pauses, and says since when it was away", () => {
  const connection = connect();
  newest().onopen?.();
  const lostAtMs = Date.now();
  const pauses: number[] = [];
  for (let attempt = 0; attempt < 8; attempt += 1) {
    newest().onclose?.({ code: 1006 });
    const status = connection.getStatus();
    if (status.phase !== "waiting") throw new Error("it waits");
    expect(status.lostAtMs).toBe(lostAtMs);
    pauses.push(status.retryAtMs - Date.now());
    vi.advanceTimersByTime(status.retryAtMs - Date.now());
    if (attempt % 3 === 2) break;
  }
  expect(pauses).toEqual([500, 1_000, 2_000]);
});

test("asked to, it connects at once instead of waiting", () => {
  const connection = connect();
  newest().onopen?.();
  for (let attempt = 0; attempt < 5; attempt += 1) {
    newest().onclose?.({ code: 1006 });
    if (attempt < 4) vi.advanceTimersToNextTimer();
  }
  expect(connection.getStatus().phase).toBe("waiting");
  const made = FakeSocket.made.length;
  connection.connect();
  expect(FakeSocket.made.length).toBe(made + 1);
  newest().onopen?.();
  expect(connection.getStatus()).toEqual({ phase: "open" });
  vi.advanceTimersByTime(5_000);
  expect(FakeSocket.made.length).toBe(made + 1);
});

test("a connection that ends as soon as it has begun is a failed attempt, one that lasted is not", async () => {
  const connection = connect();
  const pauses: number[] = [];
  for (const lastedMs of [0, 9_000, 1_000, 10_000, 0]) {
    newest().onopen?.();
    for (let passedMs = 0; passedMs < lastedMs; passedMs += 1_000) {
      vi.advanceTimersByTime(1_000);
      newest().onmessage?.({ data: '{"heartbeat":1}' });
    }
    newest().onclose?.({ code: 1011 });
    const status = connection.getStatus();
    if (status.phase !== "waiting") throw new Error("it waits");
    pauses.push(status.retryAtMs - Date.now());
    await vi.advanceTimersByTimeAsync(status.retryAtMs - Date.now());
  }
  expect(pauses).toEqual([500, 1_000, 2_000, 500, 1_000]);
});

test("now and then it asks whether the session holds, since a refused handshake does not say why", async () => {
  const checkSession = vi.fn(async () => {});
  connect({ checkSession });
  for (let attempt = 0; attempt < 3; attempt += 1) {
    newest().onclose?.({ code: 1006 });
    await vi.advanceTimersByTimeAsync(2_000);
  }
  expect(checkSession).toHaveBeenCalledTimes(1);
  expect(FakeSocket.made).toHaveLength(4);
});

test("a session that the server ended is looked at before the next try", async () => {
  const checkSession = vi.fn(async () => {});
  connect({ checkSession });
  newest().onopen?.();
  newest().onclose?.({ code: 4401 });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(checkSession).toHaveBeenCalledOnce();
});

test("a connection that fell silent is given up", () => {
  const connection = connect();
  const socket = newest();
  socket.onopen?.();
  vi.advanceTimersByTime(5_000);
  socket.onmessage?.({ data: '{"heartbeat":1}' });
  const heardAtMs = Date.now();
  vi.advanceTimersByTime(5_000);
  expect(connection.getStatus().phase).toBe("open");
  vi.advanceTimersByTime(1_000);
  expect(connection.getStatus()).toMatchObject({ phase: "waiting", lostAtMs: heardAtMs });
  expect(socket.isClosed).toBe(true);
});

test("while it tries again, it still says since when it was away", () => {
  const connection = connect();
  newest().onopen?.();
  const lostAtMs = Date.now();
  newest().onclose?.({ code: 1006 });
  vi.advanceTimersByTime(500);
  expect(connection.getStatus()).toEqual({ phase: "connecting", lostAtMs });
  newest().onopen?.();
  connection.connect();
  expect(connection.getStatus()).toEqual({ phase: "connecting", lostAtMs: null });
});

test("what an old connection still says is not heard", () => {
  const onMessage = vi.fn();
  const connection = connect({ onMessage });
  const old = newest();
  connection.connect();
  old.onmessage?.({ data: '{"topic":"metrics","data":[]}' });
  newest().onmessage?.({ data: '{"topic":"metrics","data":[]}' });
  expect(onMessage).toHaveBeenCalledOnce();
});

test("closed, it stays closed", () => {
  const connection = connect();
  newest().onclose?.({ code: 1006 });
  connection.close();
  vi.advanceTimersByTime(60_000);
  expect(FakeSocket.made).toHaveLength(1);
});
