import { keyOf, type Subject } from "./subjects";

export interface Option {
  key: string;
  subject: Subject;
  /** The host of a container. */
  where: string;
}

interface Known {
  hosts: readonly string[];
  services: readonly string[];
  containers: readonly { name: string; node: string }[];
}

const SHOWN_MAX = 50;

/** What fits a text, each once: names that begin with it first, and hosts before services before containers. */
export function found(known: Known, text: string, chosen: readonly Subject[]): Option[] {
  const all: Subject[] = [
    ...known.hosts.map((name): Subject => ({ kind: "host", name })),
    ...known.services.map((name): Subject => ({ kind: "service", name })),
    ...known.containers.map(({ name, node }): Subject => ({ kind: "container", name, node })),
  ];
  const taken = new Set(chosen.map(keyOf));
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const options: Option[] = [];
  for (const subject of all) {
    const key = keyOf(subject);
    const searched = key.toLowerCase();
    if (taken.has(key) || !words.every((word) => searched.includes(word))) continue;
    taken.add(key);
    options.push({ key, subject, where: subject.kind === "container" ? subject.node : "" });
  }
  const [first = ""] = words;
  const rank = ({ subject }: Option) => (subject.name.toLowerCase().startsWith(first) ? 0 : 1);
  return options.sort((one, other) => rank(one) - rank(other)).slice(0, SHOWN_MAX);
}
