import { Link } from "@tanstack/react-router";
import { Status } from "@/components/ui/badge";
import { translated, useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { type Resource, useOf } from "./resource-rows";

const TONES = { used: "ok", kept: "accent", unused: "neutral" } as const;

/** Whether it is in use and by what; or why it is needed although nobody uses it. */
export function UseBadge({ resource }: { resource: Resource }) {
  const t = useMessages(messages);
  const use = useOf(resource);
  const why = translated(resource.why, resource.translations);
  return (
    <span className="flex items-center gap-1.5">
      <Status tone={TONES[use]} title={why}>
        {t.uses[use]}
      </Status>
      {use === "used" && resource.users.length === 0 && (
        <span className="truncate text-muted">{t.engineOwn}</span>
      )}
      {resource.users.length > 0 && <Users resource={resource} />}
      {use === "kept" && (
        <span className="truncate text-muted" title={why}>
          {why}
        </span>
      )}
    </span>
  );
}

/** The container, or how many there are, on their way to the list of containers. */
function Users({ resource }: { resource: Resource }) {
  const t = useMessages(messages);
  const [first] = resource.users;
  if (first === undefined) return null;
  const names = resource.users.map(({ name, state }) => `${name} (${state})`).join("\n");
  if (resource.users.length === 1) {
    return (
      <Link
        to="/containers/$node/$container"
        params={{ node: resource.node_id, container: first.id }}
        title={names}
        className="truncate text-muted hover:text-text hover:underline"
      >
        {first.name}
      </Link>
    );
  }
  return (
    <span title={names} className="tabular truncate text-muted">
      {t.users(resource.users.length)}
    </span>
  );
}
