import { ExternalLink } from "lucide-react";
import type { RolloutView, ServiceView } from "@/api/openapi";
import { Status, type Tone } from "@/components/ui/badge";
import { useNow } from "@/lib/clock";
import { formatDuration, formatMoment, parseImage } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

/** How many of the replicas that are wanted serve. */
export function Serving({ service }: { service: ServiceView }) {
  const t = useMessages(messages);
  return (
    <Status tone={servingTone(service)}>{t.serving(service.replicas_ready, service.replicas_wanted)}</Status>
  );
}

export function servingTone({ status, replicas_ready: ready, replicas_wanted: wanted }: ServiceView): Tone {
  if (wanted === 0 || status === "removing") return "neutral";
  if (ready >= wanted) return "ok";
  if (ready > 0) return "warn";
  return status === "rolling-out" ? "accent" : "bad";
}

interface Version {
  revision: number;
  image: string;
}

/** What serves; while a rollout is under way also what is to. After a roll-back that is not what was asked for last. */
export function versionsOf(
  { serving, revision, image }: ServiceView,
  rollout: RolloutView | null,
): Version[] {
  const wanted = { revision, image };
  if (serving.length === 0) return [wanted];
  const isComing =
    rollout !== null &&
    rollout.phase !== "rolling-back" &&
    serving.every((each) => each.revision !== revision);
  return isComing ? [...serving, wanted] : [...serving];
}

export function Versions({ versions }: { versions: readonly Version[] }) {
  const t = useMessages(messages);
  return versions.map(({ revision, image: reference }, index) => {
    const image = parseImage(reference);
    return (
      <span key={revision}>
        {index > 0 && " → "}
        <span className="break-words text-text" title={image.full}>
          {image.short}
          {image.tag !== "" && `:${image.tag}`}
        </span>
        <span className="tabular"> · {t.revision(revision)}</span>
      </span>
    );
  });
}

const NODES_SHOWN_MAX = 6;

export function Hosts({ service }: { service: ServiceView }) {
  const t = useMessages(messages);
  const { nodes } = service;
  if (nodes.length === 0) return null;
  const names = nodes.length > NODES_SHOWN_MAX ? t.hosts(nodes.length) : nodes.join(", ");
  return <span> · {t.on(names)}</span>;
}

export function Routes({ service }: { service: ServiceView }) {
  return service.routes.map((host) => <RouteLink key={host} host={host} />);
}

/** Any host of the cluster answers for a route; what `*.` stands for is not known here. */
function RouteLink({ host }: { host: string }) {
  const t = useMessages(messages);
  if (host.startsWith("*.")) return <span className="truncate">{host}</span>;
  return (
    <a
      href={`http://${host}/`}
      target="_blank"
      rel="noreferrer"
      className="inline-flex min-h-6 min-w-0 items-center gap-1 font-medium text-accent hover:underline"
    >
      <span className="truncate">{host}</span>
      <ExternalLink role="img" aria-label={t.newTab} className="size-3 shrink-0" />
    </a>
  );
}

/** How long something has been going on. */
export function Elapsed({ sinceMs }: { sinceMs: number }) {
  const now = useNow();
  const t = useMessages(messages);
  return (
    <span className="tabular shrink-0 text-xs text-muted" title={t.since(formatMoment(sinceMs))}>
      {formatDuration(now - sinceMs)}
    </span>
  );
}
