import type { ExperimentBody } from "@/api/openapi";
import { numberIn } from "@/lib/amounts";
import { momentOf } from "@/lib/local-time";

export interface Match {
  /** Of this page alone: rows come and go. */
  key: number;
  kind: "header" | "cookie";
  name: string;
  value: string;
}

/** What is tried as b, which requests it gets, and until when: as it is typed. */
export interface ExperimentDraft {
  from: "image" | "file";
  image: string;
  /** A Compose file's text; "" until one was chosen. */
  compose: string;
  percent: string;
  matches: readonly Match[];
  isSticky: boolean;
  replicas: string;
  ends: "by-hand" | "after" | "at";
  /** For `after`. */
  lasts: string;
  unit: "hours" | "days";
  /** For `at`, as a field for local date and time holds it. */
  until: string;
  keep: "a" | "b";
  overridesWindows: boolean;
}

export const MATCHES_MAX = 8;
const WHOLE_PERMILLE = 1_000;
const UNIT_S = { hours: 3_600, days: 86_400 } as const;
/** More replicas than its share needs, as the server gives it. */
const HEADROOM = 1.25;

export const NEW_EXPERIMENT: ExperimentDraft = {
  from: "image",
  image: "",
  compose: "",
  percent: "20",
  matches: [],
  isSticky: true,
  replicas: "",
  ends: "by-hand",
  lasts: "7",
  unit: "days",
  until: "",
  keep: "a",
  overridesWindows: false,
};

export type Fault = "image" | "compose" | "percent" | "matches" | "requests" | "replicas" | "lasts" | "until";

/** The share of b in thousandths; null for what is none. 0 where nothing is typed. */
export function permilleOf(draft: ExperimentDraft): number | null {
  if (draft.percent.trim() === "") return 0;
  const percent = numberIn(draft.percent);
  if (percent === null) return null;
  const permille = Math.round(percent * 10);
  return permille < WHOLE_PERMILLE ? permille : null;
}

/** How many replicas b gets of itself, as the server counts them. */
export function usualReplicas(draft: ExperimentDraft, ofA: number): number {
  const share = draft.matches.length > 0 ? 1 : (HEADROOM * (permilleOf(draft) ?? 0)) / WHOLE_PERMILLE;
  return Math.max(1, Math.min(ofA, Math.ceil(ofA * share)));
}

/** What keeps it from being started, before anybody is asked; `ofA` is how many replicas a has. */
export function faultsOf(draft: ExperimentDraft, ofA: number, nowMs: number): Set<Fault> {
  const faults = new Set<Fault>();
  if (draft.from === "image" ? draft.image.trim() === "" : draft.compose === "")
    faults.add(draft.from === "image" ? "image" : "compose");
  const permille = permilleOf(draft);
  if (permille === null) faults.add("percent");
  else if (permille === 0 && draft.matches.length === 0) faults.add("requests");
  if (draft.matches.some(({ name, value }) => name === "" || value === "")) faults.add("matches");
  if (draft.replicas !== "") {
    const replicas = numberIn(draft.replicas);
    if (replicas === null || !Number.isInteger(replicas) || replicas < 1 || replicas > ofA)
      faults.add("replicas");
  }
  if (draft.ends === "after" && !((numberIn(draft.lasts) ?? 0) > 0)) faults.add("lasts");
  if (draft.ends === "at" && (momentOf(draft.until) ?? 0) <= nowMs) faults.add("until");
  return faults;
}

type Body = Omit<Partial<ExperimentBody>, "deployment"> & { deployment?: { compose: string } };

/** As the interface takes it. */
export function bodyOf(draft: ExperimentDraft): Body {
  const permille = permilleOf(draft) ?? 0;
  const named = (kind: Match["kind"]) =>
    draft.matches.filter((match) => match.kind === kind).map(({ name, value }) => ({ name, value }));
  return {
    ...(draft.from === "image" ? { image: draft.image.trim() } : { deployment: { compose: draft.compose } }),
    headers: named("header"),
    cookies: named("cookie"),
    permille,
    // Without a share there is nobody to stay on a side.
    sticky: permille === 0 ? null : draft.isSticky,
    replicas: draft.replicas === "" ? null : numberIn(draft.replicas),
    for_s: draft.ends === "after" ? Math.round((numberIn(draft.lasts) ?? 0) * UNIT_S[draft.unit]) : null,
    until_ms: draft.ends === "at" ? momentOf(draft.until) : null,
    keep: draft.keep,
    override_window: draft.overridesWindows,
  };
}
