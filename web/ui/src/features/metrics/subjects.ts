/** What the explorer shows: hosts, services and containers, as the address names them. */

export type Subject =
  | { kind: "host"; name: string }
  | { kind: "service"; name: string }
  | { kind: "container"; name: string; node: string };

export const SUBJECTS_MAX = 6;

/** "host:h1", "service:shop.web", "container:h1/web-1". A container's name has no slash. */
export function keyOf(subject: Subject): string {
  return subject.kind === "container"
    ? `container:${subject.node}/${subject.name}`
    : `${subject.kind}:${subject.name}`;
}

export function parseSubject(text: string): Subject | null {
  const colon = text.indexOf(":");
  const kind = text.slice(0, colon);
  const rest = text.slice(colon + 1);
  if (colon <= 0 || rest === "") return null;
  if (kind === "host" || kind === "service") return { kind, name: rest };
  if (kind !== "container") return null;
  const slash = rest.indexOf("/");
  const node = rest.slice(0, slash);
  const name = rest.slice(slash + 1);
  return slash <= 0 || name === "" ? null : { kind, node, name };
}

/** What is named in an address, each once and not too many. Commas stand between them. */
export function parseSubjects(text: string | undefined): Subject[] {
  const keys = [...new Set((text ?? "").split(",").map((part) => part.trim()))];
  return keys
    .map(parseSubject)
    .filter((subject) => subject !== null)
    .slice(0, SUBJECTS_MAX);
}

export function subjectsText(subjects: readonly Subject[]): string | undefined {
  return subjects.map(keyOf).join(",") || undefined;
}

export function labelOf(subject: Subject): string {
  return subject.kind === "container" ? `${subject.name} · ${subject.node}` : subject.name;
}
