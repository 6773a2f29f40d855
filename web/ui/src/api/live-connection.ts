import { type LiveMessage, parseLive, TOPICS } from "./live-messages";

/** The WebSocket that tells what changed, and gets itself back when it is lost. */

export type LiveStatus =
  | { phase: "connecting"; lostAtMs: number | null }
  | { phase: "open" }
  | { phase: "waiting"; retryAtMs: number; lostAtMs: number };

export interface LiveOptions {
  url: string;
  onMessage: (message: LiveMessage) => void;
  /** The server's time, every now and then. */
  onHeartbeat: (serverMs: number) => void;
  /** Asks the server whether the session holds, and renews it if not; never fails. */
  checkSession: () => Promise<void>;
  random?: () => number;
}

const FIRST_DELAY_MS = 500;
const DELAY_MAX_MS = 15_000;
/** The server's heartbeat comes every 2 s. A host that lost its power closes no connection: it falls silent. */
const SILENCE_MAX_MS = 6_000;
/** What ends sooner counts as a failed attempt: each beginning has the server tell everything anew. */
const STEADY_MIN_MS = 10_000;
const SESSION_ENDED = 4401;

export class LiveConnection {
  private socket: WebSocket | null = null;
  private status: LiveStatus = { phase: "connecting", lostAtMs: null };
  private attempts = 0;
  private lostAtMs: number | null = null;
  private heardAtMs = 0;
  private openedAtMs: number | null = null;
  private retryTimer: ReturnType<typeof setTimeout> | null = null;
  private silenceTimer: ReturnType<typeof setTimeout> | null = null;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly options: LiveOptions) {}

  readonly getStatus = (): LiveStatus => this.status;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Connect now, also while waiting to. */
  connect(): void {
    this.close();
    this.setStatus({ phase: "connecting", lostAtMs: this.lostAtMs });
    const socket = new WebSocket(this.options.url);
    this.socket = socket;
    socket.onopen = () => {
      socket.send(JSON.stringify({ subscribe: TOPICS }));
      this.openedAtMs = Date.now();
      this.lostAtMs = null;
      this.setStatus({ phase: "open" });
      this.watchSilence();
    };
    socket.onmessage = (event: MessageEvent<unknown>) => {
      this.watchSilence();
      const heard = parseLive(event.data);
      if (heard === null) return;
      if ("message" in heard) this.options.onMessage(heard.message);
      else this.options.onHeartbeat(heard.heartbeatMs);
    };
    socket.onclose = (event) => {
      if (this.socket === socket) this.lost(event.code === SESSION_ENDED, Date.now());
    };
    this.watchSilence();
  }

  /** End it, for good until `connect`. */
  close(): void {
    const socket = this.socket;
    this.socket = null;
    if (this.retryTimer !== null) clearTimeout(this.retryTimer);
    if (this.silenceTimer !== null) clearTimeout(this.silenceTimer);
    this.retryTimer = this.silenceTimer = null;
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  private lost(sessionEnded: boolean, atMs: number): void {
    this.close();
    this.lostAtMs ??= atMs;
    if (this.openedAtMs !== null && atMs - this.openedAtMs >= STEADY_MIN_MS) this.attempts = 0;
    this.openedAtMs = null;
    const ceiling = Math.min(FIRST_DELAY_MS * 2 ** this.attempts, DELAY_MAX_MS);
    // Half of it is chance, so that the pages of a restarted host do not all come back at once.
    const delay = ceiling / 2 + (ceiling / 2) * (this.options.random ?? Math.random)();
    this.attempts += 1;
    this.setStatus({ phase: "waiting", retryAtMs: Date.now() + delay, lostAtMs: this.lostAtMs });
    this.retryTimer = setTimeout(() => {
      // The browser does not tell why a handshake was refused, so the session is looked at now and then.
      const isDoubtful = sessionEnded || this.attempts % 3 === 0;
      if (isDoubtful) void this.options.checkSession().finally(() => this.connectIfWaiting());
      else this.connect();
    }, delay);
  }

  private connectIfWaiting(): void {
    if (this.status.phase === "waiting" && this.retryTimer !== null) this.connect();
  }

  private watchSilence(): void {
    if (this.silenceTimer !== null) clearTimeout(this.silenceTimer);
    this.heardAtMs = Date.now();
    this.silenceTimer = setTimeout(() => this.lost(false, this.heardAtMs), SILENCE_MAX_MS);
  }

  private setStatus(status: LiveStatus): void {
    this.status = status;
    for (const each of this.listeners) each();
  }
}
