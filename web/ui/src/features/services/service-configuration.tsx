import type { FileReference, PublishedPort, ServiceDetail, SpecView, VolumeMount } from "@/api/openapi";
import { Fact, Facts } from "@/components/facts";
import { Card, Section } from "@/components/ui/section";
import { formatBytes, formatDuration } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { pageMessages } from "./page-messages";

/** What its containers are made from, of the revision that serves. */
export function ServiceConfiguration({ service }: { service: ServiceDetail }) {
  const t = useMessages(pageMessages);
  const wanted = service.stable_revision || service.revision;
  const revision = service.revisions.find(({ number }) => number === wanted) ?? service.revisions[0];
  if (revision === undefined) return null;
  const { spec } = revision;
  const limits = limitsOf(spec);
  return (
    <div className="grid items-start gap-6 xl:grid-cols-2">
      <Section title={t.configuration} note={t.pieceRevision(revision.number)}>
        <Card className="p-4">
          <Facts>
            <Fact term={t.image}>{spec.image}</Fact>
            <Fact term={t.digest}>
              <span className="font-mono text-xs break-all">{spec.digest || t.none2}</span>
            </Fact>
            <Fact term={t.command}>
              {spec.command === null ? (
                t.none2
              ) : (
                <code className="font-mono text-xs break-all">{spec.command.join(" ")}</code>
              )}
            </Fact>
            <Fact term={t.route}>
              {spec.route === null ? t.noRoute : `${spec.route.host}${spec.route.path} → :${spec.route.port}`}
            </Fact>
            <Fact term={t.ports}>{linesOf(spec.ports.map(portWords), t.none2)}</Fact>
            <Fact term={t.volumes}>{linesOf(spec.volumes.map(volumeWords), t.none2)}</Fact>
            <Fact term={t.limits}>{limits === "" ? t.unlimited : limits}</Fact>
            <Fact term={t.health}>
              {spec.healthcheck === null || spec.healthcheck.test[0] === "NONE" ? (
                (spec.route?.health_path ?? t.none2)
              ) : (
                <code className="font-mono text-xs break-all">{spec.healthcheck.test.join(" ")}</code>
              )}
            </Fact>
            <Fact term={t.policy}>
              {t.strategies[service.policy.shift.strategy ?? "rolling"]},{" "}
              {t.policyWords(service.policy.max_surge ?? 1, service.policy.max_unavailable ?? 0)};{" "}
              {t.onFailure[service.policy.failure_action ?? "rollback"]};{" "}
              {t.drain(formatDuration(service.policy.drain_timeout_ms ?? 0))}
            </Fact>
          </Facts>
        </Card>
      </Section>
      <div className="flex min-w-0 flex-col gap-6">
        <Section title={t.environment}>
          <Card className="p-4">
            <Pairs values={spec.environment} />
          </Card>
        </Section>
        <Section title={`${t.secrets}, ${t.configs}`}>
          <Card className="p-4">
            <Facts>
              <Fact term={t.secrets}>{linesOf(spec.secrets.map(fileWords), t.none2)}</Fact>
              <Fact term={t.configs}>{linesOf(spec.configs.map(fileWords), t.none2)}</Fact>
            </Facts>
          </Card>
        </Section>
        {Object.keys(spec.labels).length > 0 && (
          <Section title={t.labels}>
            <Card className="p-4">
              <Pairs values={spec.labels} />
            </Card>
          </Section>
        )}
      </div>
    </div>
  );
}

function Pairs({ values }: { values: Readonly<Record<string, string | null>> }) {
  const t = useMessages(pageMessages);
  const entries = Object.entries(values).sort(([one], [other]) => (one < other ? -1 : 1));
  if (entries.length === 0) return <p className="text-sm text-muted">{t.none2}</p>;
  return (
    <dl className="grid grid-cols-[minmax(6rem,auto)_minmax(0,1fr)] gap-x-6 gap-y-1.5 font-mono text-xs">
      {entries.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="break-all text-muted">{name}</dt>
          <dd className="break-all">
            {value === null ? <span className="font-sans text-muted italic">{t.hidden}</span> : value}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function linesOf(lines: readonly string[], none: string) {
  if (lines.length === 0) return none;
  return (
    <ul>
      {lines.map((line) => (
        <li key={line} className="break-all">
          {line}
        </li>
      ))}
    </ul>
  );
}

function portWords({ container_port: port, host_ip, host_port, protocol }: PublishedPort): string {
  const own = `${port}/${protocol ?? "tcp"}`;
  return host_port == null ? own : `${host_ip ? `${host_ip}:` : ""}${host_port || "*"} → ${own}`;
}

function volumeWords({ kind, source, target, is_read_only }: VolumeMount): string {
  return `${source || kind} → ${target}${is_read_only ? " (ro)" : ""}`;
}

function fileWords({ source, target, version }: FileReference): string {
  return `${source}${version ? ` v${version}` : ""}${target ? ` → ${target}` : ""}`;
}

function limitsOf({ resources }: SpecView): string {
  const { cpu_limit_millis: cpu, memory_limit_bytes: memory, pids_limit: pids } = resources;
  return [
    cpu == null ? "" : `${cpu / 1_000} CPU`,
    memory == null ? "" : formatBytes(memory),
    pids == null ? "" : `${pids} pids`,
  ]
    .filter(Boolean)
    .join(", ");
}
