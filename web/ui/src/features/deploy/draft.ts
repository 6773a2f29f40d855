/** What somebody is about to deploy, and has not yet. */
export interface Draft {
  compose: string;
  /** What findings call the file. */
  file: string;
  project: string;
  environment: string;
}

export interface KeptDraft {
  draft: Draft;
  savedAtMs: number;
}

export const NOTHING: Draft = { compose: "", file: "", project: "", environment: "" };

interface Kept {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** A browser may be several people's: each has a draft of their own. */
function keyOf(principalId: string): string {
  return `tower.deploy-draft.${principalId}`;
}

/** What was kept; null when nothing was, or it cannot be read. */
export function loadDraft(storage: Kept, principalId: string): KeptDraft | null {
  try {
    const value: unknown = JSON.parse(storage.getItem(keyOf(principalId)) ?? "null");
    if (typeof value !== "object" || value === null) return null;
    const { draft, savedAtMs } = value as Partial<KeptDraft>;
    if (typeof draft !== "object" || draft === null || typeof savedAtMs !== "number") return null;
    const text = (name: keyof Draft) => (typeof draft[name] === "string" ? draft[name] : "");
    const known = {
      compose: text("compose"),
      file: text("file"),
      project: text("project"),
      environment: text("environment"),
    };
    return known.compose === "" ? null : { draft: known, savedAtMs };
  } catch {
    // Storage is blocked, or something else wrote there.
    return null;
  }
}

/**
 * Keep a draft, or drop it when there is nothing in it. Whether it is kept. The values of variables are not part of
 * it: they may be secrets, and a browser's storage is not the place for them.
 */
export function saveDraft(storage: Kept, principalId: string, draft: Draft, nowMs: number): boolean {
  try {
    if (draft.compose === "") storage.removeItem(keyOf(principalId));
    else storage.setItem(keyOf(principalId), JSON.stringify({ draft, savedAtMs: nowMs } satisfies KeptDraft));
    return draft.compose !== "";
  } catch {
    // Storage is blocked or full: what is on the page stays there.
    return false;
  }
}
