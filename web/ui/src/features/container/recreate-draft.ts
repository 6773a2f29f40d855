import type { ChangesBody, MountBody, PublishedBody, SettingsView } from "@/api/openapi";

/** What somebody types to have a container made anew, and what of it differs from how it is. */

export type Changes = Partial<ChangesBody>;

export interface DraftVariable {
  name: string;
  /** Null: as it is, which the page is not told. */
  value: string | null;
  isRemoved: boolean;
  isNew: boolean;
}

export interface Draft {
  image: string;
  /** Words, one a line. */
  command: string;
  variables: DraftVariable[];
  /** `name=value`, one a line. */
  labels: string;
  /** `[address:][port:]container-port[/protocol]`, one a line. */
  ports: string;
  /** `source:target[:ro]`, or `tmpfs:target`, one a line. */
  mounts: string;
}

export function draftOf(settings: SettingsView): Draft {
  return {
    image: settings.image,
    command: settings.command.join("\n"),
    variables: settings.environment.map((name) => ({ name, value: null, isRemoved: false, isNew: false })),
    labels: Object.entries(settings.labels)
      .map(([name, value]) => `${name}=${value}`)
      .join("\n"),
    ports: settings.ports.map(portText).join("\n"),
    mounts: settings.mounts.map(mountText).join("\n"),
  };
}

export interface DraftFault {
  field: "ports" | "mounts" | "labels" | "variables";
  /** What was typed. */
  text: string;
}

/** Only what differs; a fault for the first line that means nothing. */
export function changesOf(settings: SettingsView, draft: Draft): Changes | DraftFault {
  const before = draftOf(settings);
  const changes: Changes = {};
  if (draft.image.trim() !== before.image) changes.image = draft.image.trim();
  if (draft.command !== before.command) changes.command = lines(draft.command);
  const variables: Record<string, string | null> = {};
  for (const { name, value, isRemoved, isNew } of draft.variables) {
    if (isNew && name.trim() === "" && (value ?? "") === "") continue;
    if (name.trim() === "" || name.includes("=")) return { field: "variables", text: name };
    if (isRemoved) variables[name.trim()] = null;
    else if (value !== null) variables[name.trim()] = value;
  }
  if (Object.keys(variables).length > 0) changes.variables = variables;
  if (draft.labels !== before.labels) {
    const labels = labelChanges(settings.labels, lines(draft.labels));
    if ("field" in labels) return labels as DraftFault;
    changes.labels = labels;
  }
  if (draft.ports !== before.ports) {
    const ports: PublishedBody[] = [];
    for (const line of lines(draft.ports)) {
      const port = parsePort(line);
      if (port === null) return { field: "ports", text: line };
      ports.push(port);
    }
    changes.ports = ports;
  }
  if (draft.mounts !== before.mounts) {
    const mounts: MountBody[] = [];
    for (const line of lines(draft.mounts)) {
      const mount = parseMount(line);
      if (mount === null) return { field: "mounts", text: line };
      mounts.push(mount);
    }
    changes.mounts = mounts;
  }
  return changes;
}

export function isFault(found: Changes | DraftFault): found is DraftFault {
  return "field" in found;
}

function lines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function labelChanges(
  before: Readonly<Record<string, string>>,
  after: readonly string[],
): Record<string, string | null> | DraftFault {
  const wanted = new Map<string, string>();
  for (const line of after) {
    const at = line.indexOf("=");
    if (at < 1) return { field: "labels", text: line };
    wanted.set(line.slice(0, at), line.slice(at + 1));
  }
  const changes: Record<string, string | null> = {};
  for (const name of Object.keys(before)) if (!wanted.has(name)) changes[name] = null;
  for (const [name, value] of wanted) if (before[name] !== value) changes[name] = value;
  return changes;
}

function portText(port: SettingsView["ports"][number]): string {
  const protocol = port.protocol === "tcp" ? "" : `/${port.protocol}`;
  const address =
    port.host_ip === "" ? "" : `${port.host_ip?.includes(":") ? `[${port.host_ip}]` : port.host_ip}:`;
  const published = port.host_port === 0 ? "" : `${port.host_port}`;
  const before = address === "" && published === "" ? "" : `${address}${published}:`;
  return `${before}${port.container_port}${protocol}`;
}

export function parsePort(text: string): PublishedBody | null {
  const found =
    /^(?:(?:(\[[0-9a-f:.]+\]|\d+\.\d+\.\d+\.\d+):)?(\d{0,5}):)?(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(text);
  if (found === null) return null;
  const [, address = "", published = "", port = "", protocol = "tcp"] = found;
  const container_port = Number(port);
  const host_port = Number(published);
  if (container_port < 1 || container_port > 65_535 || host_port > 65_535) return null;
  return {
    container_port,
    host_port,
    host_ip: address.replace(/[[\]]/g, ""),
    protocol: protocol.toLowerCase() as PublishedBody["protocol"],
  };
}

function mountText(mount: SettingsView["mounts"][number]): string {
  const suffix = mount.read_only ? ":ro" : "";
  return mount.kind === "tmpfs" ? `tmpfs:${mount.target}` : `${mount.source}:${mount.target}${suffix}`;
}

export function parseMount(text: string): MountBody | null {
  const [source = "", target = "", option = "", ...more] = text.split(":");
  if (more.length > 0 || !target.startsWith("/") || !["", "ro", "rw"].includes(option)) return null;
  if (source === "tmpfs") return { kind: "tmpfs", target, source: "", read_only: false };
  if (source === "") return null;
  return {
    kind: source.startsWith("/") ? "bind" : "volume",
    source,
    target,
    read_only: option === "ro",
  };
}
