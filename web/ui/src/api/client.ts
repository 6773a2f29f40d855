import { learnServerTime } from "@/lib/clock";
import { problemOf, Unreachable } from "./problem";

export const API = "/api/v1";

type Query = Record<string, string | number | boolean | null | undefined>;

export interface RequestOptions {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  body?: unknown;
  /** A file, sent as it is, in place of `body`. */
  content?: Blob;
  query?: Query;
  signal?: AbortSignal;
  accept?: string;
  /** How long the beginning of the answer may take, where that is more than usual. */
  patienceMs?: number;
  /** False for the calls that make and end sessions: a 401 is their answer, not a reason to refresh. */
  refresh?: boolean;
}

/** A host that has lost its power does not even refuse. Changes wait for what they do, such as a stop. */
const READ_MAX_MS = 5_000;
const CHANGE_MAX_MS = 90_000;
/** A host that is away answers nothing for longer, or refuses again. */
const REFUSED_WITHIN_MS = 1_000;
const AGAIN_AFTER_MS = 200;

let csrfToken: string | null = null;
let refreshing: Promise<boolean> | null = null;
let onSessionLost: () => void = () => {};

/** Sent with every request that changes something. It comes with `/auth/me`. */
export function setCsrfToken(token: string | null): void {
  csrfToken = token;
}

/** Called when a request was refused with 401 and the session could not be renewed. */
export function whenSessionLost(callback: () => void): void {
  onSessionLost = callback;
}

export function urlOf(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value != null && value !== "") parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return `${API}${path}${text === "" ? "" : `?${text}`}`;
}

/** One request; the answer when it is a success. Raises ApiError or Unreachable, and passes on an abort. */
export async function send(path: string, options: RequestOptions = {}): Promise<Response> {
  let response = await attempt(path, options);
  if (response.status === 401 && options.refresh !== false) {
    if (await renewSession()) response = await attempt(path, options);
    if (response.status === 401) onSessionLost();
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** One request whose answer is JSON, or nothing. */
export async function request<Answer>(path: string, options: RequestOptions = {}): Promise<Answer> {
  const response = await send(path, options);
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as Answer;
}

/**
 * Renew the session; false when it is over. Requests that were refused at the same moment share one renewal.
 *
 * Raises ApiError or Unreachable when it cannot be told now: without a leader nobody is logged out.
 */
export function renewSession(): Promise<boolean> {
  refreshing ??= oneTabAtATime(renew).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function renew(): Promise<boolean> {
  const response = await attempt("/auth/refresh", { method: "POST", body: {} });
  if (response.ok) {
    await readCsrfToken(response);
    return true;
  }
  // Another window exchanged the token at this very moment, and this one has its cookies now.
  if (response.status === 409) return true;
  if (response.status === 401) return false;
  throw await problemOf(response);
}

/** A refresh token is good for one use, and the tabs of a browser share it. */
function oneTabAtATime(work: () => Promise<boolean>): Promise<boolean> {
  // Not there on a page that came without TLS.
  const locks = navigator.locks as LockManager | null | undefined;
  return locks == null ? work() : locks.request("tower.session", work).then((isRenewed) => isRenewed);
}

/** What reads is tried once more: a network that has just changed refuses what was under way. */
async function attempt(path: string, options: RequestOptions): Promise<Response> {
  if ((options.method ?? "GET") !== "GET") return attemptOnce(path, options);
  const startedMs = performance.now();
  try {
    return await attemptOnce(path, options);
  } catch (error) {
    const isSlow = performance.now() - startedMs > REFUSED_WITHIN_MS;
    if (isSlow || options.signal?.aborted || !(error instanceof Unreachable)) throw error;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
    return attemptOnce(path, options);
  }
}

async function attemptOnce(path: string, options: RequestOptions): Promise<Response> {
  const method = options.method ?? "GET";
  const headers = new Headers({ Accept: options.accept ?? "application/json" });
  if (options.body !== undefined) headers.set("Content-Type", "application/json");
  if (options.content !== undefined) headers.set("Content-Type", "application/octet-stream");
  if (method !== "GET" && csrfToken !== null) headers.set("X-CSRF-Token", csrfToken);
  const init: RequestInit = { method, headers, credentials: "same-origin", cache: "no-store" };
  if (options.body !== undefined) init.body = JSON.stringify(options.body);
  if (options.content !== undefined) init.body = options.content;
  const late = new AbortController();
  const patienceMs = options.patienceMs ?? (method === "GET" ? READ_MAX_MS : CHANGE_MAX_MS);
  const timer = setTimeout(() => late.abort(), patienceMs);
  init.signal = options.signal === undefined ? late.signal : AbortSignal.any([options.signal, late.signal]);
  let response: Response;
  try {
    response = await fetch(urlOf(path, options.query), init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Unreachable(error);
  } finally {
    // What follows the head may take as long as it likes: logs are followed.
    clearTimeout(timer);
  }
  const date = Date.parse(response.headers.get("Date") ?? "");
  if (!Number.isNaN(date)) learnServerTime(date);
  return response;
}

/** A renewed session may come with a new CSRF token; without one the old stays valid. */
async function readCsrfToken(response: Response): Promise<void> {
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null && "csrf_token" in body) {
      if (typeof body.csrf_token === "string") setCsrfToken(body.csrf_token);
    }
  } catch {
    // An empty answer renews only the cookies.
  }
}
