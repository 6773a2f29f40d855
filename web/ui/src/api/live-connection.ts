/** The WebSocket that tells what changed, and gets itself back when it is lost. */

export const TOPICS = ["cluster", "containers", "services", "metrics"] as const;
export type Topic = (typeof TOPICS)[number];

/** `data` is the new state of the topic; without it, ask again. */
export interface LiveMessage {
  topic: Topic;
  data?: unknown;
}

export type LiveStatus =
  | { phase: "connecting" }
  | { phase: "open" }
  | { phase: "waiting"; retryAtMs: number; lostAtMs: number };

export interface LiveOptions {
  url: string;
  onMessage: (message: LiveMessage) => void;
  /** Called whenever the connection is there (again): what happened meanwhile was not told. */
  onOpen: () => void;
  /** Called before a retry after the server refused the session. */
  renewSession: () => Promise<unknown>;
  random?: () => number;
}

const FIRST_DELAY_MS = 500;
const DELAY_MAX_MS = 15_000;
/** The server speaks at least every 10 s; a connection silent for longer than this is dead. */
const SILENCE_MAX_MS = 25_000;
const SESSION_ENDED = 4401;

export class LiveConnection {
  private socket: WebSocket | null = null;
  private status: LiveStatus = { phase: "connecting" };
  private attempts = 0;
  private lostAtMs: number | null = null;
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
    this.setStatus({ phase: "connecting" });
    const socket = new WebSocket(this.options.url);
    this.socket = socket;
    socket.onopen = () => {
      socket.send(JSON.stringify({ subscribe: TOPICS }));
      this.attempts = 0;
      this.lostAtMs = null;
      this.setStatus({ phase: "open" });
      this.watchSilence();
      this.options.onOpen();
    };
    socket.onmessage = (event: MessageEvent<unknown>) => {
      this.watchSilence();
      const message = parse(event.data);
      if (message !== null) this.options.onMessage(message);
    };
    socket.onclose = (event) => {
      if (this.socket === socket) this.lost(event.code === SESSION_ENDED);
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

  private lost(sessionEnded: boolean): void {
    this.close();
    this.lostAtMs ??= Date.now();
    const ceiling = Math.min(FIRST_DELAY_MS * 2 ** this.attempts, DELAY_MAX_MS);
    // Half of it is chance, so that the pages of a restarted host do not all come back at once.
    const delay = ceiling / 2 + (ceiling / 2) * (this.options.random ?? Math.random)();
    this.attempts += 1;
    this.setStatus({ phase: "waiting", retryAtMs: Date.now() + delay, lostAtMs: this.lostAtMs });
    this.retryTimer = setTimeout(() => {
      // The browser does not tell why a handshake was refused, so the session is renewed now and then.
      if (sessionEnded || this.attempts % 3 === 0)
        void this.options.renewSession().finally(() => this.connect());
      else this.connect();
    }, delay);
  }

  private watchSilence(): void {
    if (this.silenceTimer !== null) clearTimeout(this.silenceTimer);
    this.silenceTimer = setTimeout(() => this.lost(false), SILENCE_MAX_MS);
  }

  private setStatus(status: LiveStatus): void {
    this.status = status;
    for (const each of this.listeners) each();
  }
}

/** The message, or null for heartbeats and topics this page does not know. */
function parse(data: unknown): LiveMessage | null {
  if (typeof data !== "string") return null;
  try {
    const message: unknown = JSON.parse(data);
    if (typeof message !== "object" || message === null || !("topic" in message)) return null;
    return TOPICS.includes(message.topic as Topic) ? (message as LiveMessage) : null;
  } catch {
    return null;
  }
}
