import { defineMessages, textsOf } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import type * as openapi from "./openapi";

/** RFC 9457. A proxy in between may answer with a type of its own. */
export type Problem = Omit<openapi.Problem, "type" | "request_id"> & { type: string; request_id?: string };

/** The server answered, and refused: `problem` is its RFC 9457 document, written for people. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly problem: Problem,
    /** When it is worth trying again, where the server says so. */
    readonly retryAfterS: number | null = null,
  ) {
    super(problem.detail || problem.title);
  }

  get status(): number {
    return this.problem.status;
  }

  /** The last part of the problem's type: `forbidden`, `not-committed`. */
  get kind(): string {
    return this.problem.type.split(/[/:]/).at(-1) ?? "";
  }

  /** What to do next, when the server says it. */
  get hints(): string[] {
    const each = (this.problem.errors ?? []).map((error) => error.hint);
    return [this.problem.hint ?? "", ...each].filter((hint) => hint !== "");
  }
}

const messages = defineMessages({
  en: {
    unreachable:
      "This host does not answer. Try again, or open the dashboard on another host of the cluster.",
  },
  it: {
    unreachable: "Questo host non risponde. Riprovare, o aprire la dashboard su un altro host del cluster.",
  },
});

/** No answer: the host is down, the network is, or the certificate was refused. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";

  constructor(cause: unknown) {
    super(textsOf(messages).unreachable, { cause });
  }
}

/** Make an error of an answer that is not a success, whatever its body is. */
export async function problemOf(response: Response): Promise<ApiError> {
  const fallback: Problem = {
    type: "about:blank",
    title: response.statusText || `Status ${response.status}`,
    status: response.status,
    detail: "",
    instance: new URL(response.url, window.location.href).pathname,
  };
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const retryAfterS = Number.isNaN(seconds) ? null : seconds;
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null && "title" in body) {
      return new ApiError(
        { ...fallback, ...(body as Partial<Problem>), status: response.status },
        retryAfterS,
      );
    }
  } catch {
    // Not JSON: a proxy's page, or nothing at all.
  }
  return new ApiError(fallback, retryAfterS);
}

/** What went wrong, in the language that is shown: the server's sentence, or this page's own. */
export function errorWords(error: unknown): string {
  if (error instanceof ApiError) return serverWords(error.message);
  return error instanceof Error ? error.message : String(error);
}

export function isStatus(error: unknown, status: number): boolean {
  return error instanceof ApiError && error.status === status;
}
