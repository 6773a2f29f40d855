import { ApiError, errorWords } from "@/api/problem";
import { compareEntries, type Entry, entriesOf, type HostProblem, type Source, Sources } from "./entries";
import { LogBuffer } from "./log-buffer";
import {
  type Choice,
  type Followed,
  follow,
  type LineFilter,
  type PageRequest,
  readPage,
} from "./log-source";
import { expressionOf, hasMatch } from "./matching";
import { Rows } from "./rows";

/** More would take memory without end; what is older is read again when it is scrolled to. */
export const LINES_MAX = 20_000;
/** So many that came while somebody reads are held; with more the end is read anew. */
export const WAITING_MAX = 5_000;
const PAGE_LINES = 500;
const TAIL_WITHOUT_HISTORY = 200;
const RETRY_MS = 2_000;
const RATE_SPAN_MS = 2_000;

/** `past`: a time gone by is looked at, and nothing new comes. */
export type Phase = "loading" | "live" | "reconnecting" | "past" | "failed";

export interface Wish {
  choice: Choice;
  filter: LineFilter;
  /** Only lines with the text of the filter; otherwise that is only marked. */
  isOnlyMatches: boolean;
  /** The moment to look at; null: now. */
  atUs: number | null;
}

/** A log as a page shows it: what is held, what comes, what is before. */
export class LogModel {
  readonly buffer = new LogBuffer(LINES_MAX);
  readonly sources = new Sources();
  private readonly grouping = new Rows();
  phase: Phase = "loading";
  error: unknown = null;
  problems: readonly HostProblem[] = [];
  notes: readonly string[] = [];
  /** Why a host sends no more, until it does again. */
  ended: readonly string[] = [];
  /** Lines that hosts left out because this page was too slow, and that were let go of here. */
  missed = 0;
  waiting = 0;
  isLoadingOlder = false;
  isLoadingNewer = false;
  hasNewer = false;
  hasNothingKept = false;
  version = 0;
  private isFollowing = true;
  private older: string | null = null;
  private pending: Entry[] = [];
  private hasMissedPending = false;
  private followed: Source[] = [];
  private abort = new AbortController();
  private streamAbort: AbortController | null = null;
  private frame = 0;
  private arrivals: { atMs: number; lines: number }[] = [];
  private listeners = new Set<() => void>();
  private readonly expression: RegExp | null;

  constructor(readonly wish: Wish) {
    this.expression = wish.isOnlyMatches ? expressionOf(wish.filter) : null;
  }

  get rows() {
    return this.grouping.rows;
  }

  get hasOlder(): boolean {
    return this.older !== null;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Lines a second, lately. */
  rate(nowMs: number): number {
    const recent = this.arrivals.filter(({ atMs }) => nowMs - atMs < RATE_SPAN_MS);
    return recent.reduce((sum, { lines }) => sum + lines, 0) / (RATE_SPAN_MS / 1_000);
  }

  start(): void {
    void this.load();
  }

  stop(): void {
    this.abort.abort();
    this.streamAbort?.abort();
    cancelAnimationFrame(this.frame);
    this.listeners.clear();
  }

  /** Read everything anew, at the same moment. */
  reload(): void {
    this.abort.abort();
    this.streamAbort?.abort();
    this.abort = new AbortController();
    this.buffer.clear();
    this.grouping.rebuild([]);
    this.pending = [];
    this.waiting = 0;
    this.hasMissedPending = false;
    this.phase = "loading";
    this.error = null;
    this.missed = 0;
    void this.load();
  }

  /** Whether what comes is shown at once, or waits until somebody wants to see it. */
  setFollowing(on: boolean): void {
    if (this.isFollowing === on) return;
    this.isFollowing = on;
    if (!on) return;
    if (this.hasMissedPending || this.hasNewer) {
      this.reload();
      return;
    }
    const lines = this.pending;
    this.pending = [];
    this.waiting = 0;
    this.take(lines);
  }

  /** Follow anew: containers have come or gone. */
  refollow(): void {
    if (this.phase === "live" || this.phase === "reconnecting") this.streamAbort?.abort();
  }

  async loadOlder(): Promise<void> {
    if (this.older === null || this.isLoadingOlder) return;
    this.isLoadingOlder = true;
    this.changed();
    const { signal } = this.abort;
    try {
      const page = await this.read({ order: "newest", cursor: this.older, limit: PAGE_LINES }, signal);
      this.older = page.cursor;
      this.buffer.add(page.entries);
      if (this.buffer.trimNewest() > 0) this.hasNewer = true;
      this.grouping.rebuild(this.buffer.entries);
    } catch (error) {
      if (!signal.aborted) this.notes = [words(error)];
    } finally {
      this.isLoadingOlder = false;
      this.changed();
    }
  }

  async loadNewer(): Promise<void> {
    const { last } = this.buffer;
    if (!this.hasNewer || this.isLoadingNewer || last === undefined) return;
    this.isLoadingNewer = true;
    const { signal } = this.abort;
    try {
      const page = await this.read({ order: "oldest", sinceUs: last.atUs, limit: PAGE_LINES }, signal);
      this.hasNewer = page.cursor !== null;
      this.buffer.add(page.entries);
      if (this.buffer.trimOldest() > 0) this.older = cursorOf(this.buffer.first);
      this.grouping.rebuild(this.buffer.entries);
    } catch (error) {
      if (!signal.aborted) this.notes = [words(error)];
    } finally {
      this.isLoadingNewer = false;
      this.changed();
    }
  }

  /** The nearest line with what is looked for before (or behind) all that are held; null when there is none. */
  async findBeyond(filter: LineFilter, isOlder: boolean): Promise<number | null> {
    const { first, last } = this.buffer;
    const edge = isOlder ? first : last;
    if (edge === undefined) return null;
    let cursor: string | null = null;
    // A search that ran out of time goes on; ten times it had long enough.
    for (let round = 0; round < 10; round += 1) {
      const page = await readPage(
        this.wish.choice,
        filter,
        {
          order: isOlder ? "newest" : "oldest",
          cursor,
          ...(isOlder ? { untilUs: edge.atUs } : { sinceUs: edge.atUs + 1 }),
          limit: 1,
        },
        this.abort.signal,
      );
      const found = page.lines.find((line) => line.is_match);
      if (found !== undefined) return found.at_us;
      cursor = page.next_cursor;
      if (cursor === null) return null;
    }
    return null;
  }

  // ---- reading -------------------------------------------------------------------------------

  private async read(page: PageRequest, signal: AbortSignal) {
    const { choice, filter, isOnlyMatches } = this.wish;
    const asked = isOnlyMatches ? filter : { ...filter, text: "" };
    const answer = await readPage(choice, asked, page, signal);
    this.followed = this.sources.meet(answer.sources);
    this.problems = answer.problems;
    this.notes = answer.notes;
    return { entries: entriesOf(answer.lines, this.followed), cursor: answer.next_cursor };
  }

  private async load(): Promise<void> {
    const { signal } = this.abort;
    const { atUs } = this.wish;
    try {
      if (atUs === null) {
        const page = await this.read({ order: "newest", limit: PAGE_LINES }, signal);
        this.older = page.cursor;
        this.hasNewer = false;
        this.buffer.add(page.entries.reverse());
      } else {
        const [before, behind] = await Promise.all([
          this.read({ order: "newest", untilUs: atUs, limit: PAGE_LINES }, signal),
          this.read({ order: "oldest", sinceUs: atUs, limit: PAGE_LINES }, signal),
        ]);
        this.older = before.cursor;
        this.hasNewer = behind.cursor !== null;
        this.buffer.add(before.entries.reverse());
        this.buffer.add(behind.entries);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
      this.phase = "failed";
      this.changed();
      return;
    }
    if (signal.aborted) return;
    this.hasNothingKept = this.buffer.last === undefined;
    this.grouping.rebuild(this.buffer.entries);
    this.phase = atUs === null ? "live" : "past";
    this.changed();
    if (atUs === null) void this.followForEver(signal);
  }

  private async followForEver(signal: AbortSignal): Promise<void> {
    let newestUs = this.buffer.last?.atUs ?? 0;
    while (!signal.aborted) {
      const stream = new AbortController();
      this.streamAbort = stream;
      let hasBroken = false;
      try {
        await follow(
          this.wish.choice,
          this.wish.filter,
          { afterUs: newestUs, tail: newestUs === 0 ? TAIL_WITHOUT_HISTORY : 0 },
          (messages) => {
            for (const message of messages) newestUs = Math.max(newestUs, this.onMessage(message));
            this.changed();
          },
          AbortSignal.any([signal, stream.signal]),
        );
        hasBroken = true;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError && error.status < 500 && error.status !== 404) {
          this.error = error;
          this.phase = "failed";
          this.changed();
          return;
        }
        hasBroken = !stream.signal.aborted;
      }
      if (hasBroken) {
        this.phase = "reconnecting";
        this.changed();
        await sleep(RETRY_MS, signal);
      }
    }
  }

  /** Take in what came; returns the newest moment of it. */
  private onMessage(message: Followed): number {
    if ("sources" in message) {
      this.followed = this.sources.meet(message.sources);
      this.problems = message.problems;
      this.ended = [];
      this.phase = "live";
      return 0;
    }
    if ("ended" in message) {
      this.ended = [...this.ended.filter((each) => each !== message.ended), message.ended];
      return 0;
    }
    if ("error" in message) {
      this.notes = [message.error];
      return 0;
    }
    this.missed += message.missed;
    const all = entriesOf(message.lines, this.followed);
    const lines =
      this.expression === null ? all : all.filter((entry) => hasMatch(entry.text, this.expression));
    if (lines.length > 0) {
      const nowMs = performance.now();
      this.arrivals = [
        ...this.arrivals.filter(({ atMs }) => nowMs - atMs < RATE_SPAN_MS),
        { atMs: nowMs, lines: lines.length },
      ];
      if (this.isFollowing) this.take(lines);
      else this.hold(lines);
    }
    return all.reduce((newest, entry) => Math.max(newest, entry.atUs), 0);
  }

  private take(lines: readonly Entry[]): void {
    const before = this.buffer.entries.length;
    const isInOrder = this.buffer.add([...lines].sort(compareEntries));
    const excess = this.buffer.trimOldest();
    // What was let go of can be read again.
    if (excess > 0) this.older = cursorOf(this.buffer.first);
    if (isInOrder && excess === 0) this.grouping.add(this.buffer.entries, before);
    else this.grouping.rebuild(this.buffer.entries);
    this.changed();
  }

  private hold(lines: readonly Entry[]): void {
    this.pending.push(...lines);
    this.waiting += lines.length;
    if (this.pending.length > WAITING_MAX) {
      this.pending = [];
      this.hasMissedPending = true;
    }
  }

  /** Tell those who show it, once a frame however much comes. */
  private changed(): void {
    this.version += 1;
    if (this.frame !== 0) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      for (const listener of this.listeners) listener();
    });
  }
}

/** The cursor of everything before a line: the server's form, so that reading back goes on there. */
function cursorOf(entry: Entry | undefined): string | null {
  if (entry === undefined) return null;
  const place = JSON.stringify([entry.atUs, entry.source.container_id, entry.ordinal]);
  return btoa(place).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function words(error: unknown): string {
  return errorWords(error);
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
