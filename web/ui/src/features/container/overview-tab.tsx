import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { ContainerView } from "@/api/openapi";
import { Fact, Facts } from "@/components/facts";
import { Loaded } from "@/components/loaded";
import { Loading } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Card, Section } from "@/components/ui/section";
import { Segmented } from "@/components/ui/segmented";
import { useNow } from "@/lib/clock";
import { formatAge, formatCount, formatMoment, shortId } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import type { Preset } from "@/lib/time-range";
import { useCanHere } from "./can-here";
import { ContainerCharts, LIVE } from "./container-charts";
import { documentQuery } from "./container-queries";
import type { ContainerSearch } from "./container-search";
import { type Described, describedIn } from "./described";
import { messages } from "./messages";

const SPANS: readonly Preset[] = ["10m", "1h", "6h", "24h", "7d", "30d"];

interface OverviewTabProps {
  container: ContainerView;
  search: ContainerSearch;
  onSearch: (next: Partial<ContainerSearch>) => void;
}

/** How much it uses, and what it is made of. */
export default function OverviewTab({ container, search, onSearch }: OverviewTabProps) {
  const t = useMessages(messages);
  const can = useCanHere(container);
  const span = search.span ?? LIVE;
  return (
    <div className="flex flex-col gap-6">
      <Section
        title={t.usage}
        actions={
          <Segmented
            label={t.span}
            options={SPANS.map((value) => ({ value, label: value }))}
            value={span}
            onChange={(next) => onSearch({ span: next === LIVE ? undefined : next })}
          />
        }
      >
        <Card className="p-4">
          <ContainerCharts container={container} span={span} />
        </Card>
      </Section>
      {can("container.inspect") ? (
        <Inspected container={container} />
      ) : (
        <div className="grid items-start gap-6 lg:grid-cols-2">
          <Ports container={container} />
          <Labels container={container} />
        </div>
      )}
    </div>
  );
}

function Ports({ container }: { container: ContainerView }) {
  const t = useMessages(messages);
  return (
    <Part title={t.ports} isEmpty={container.ports.length === 0} empty={t.noPorts}>
      {container.ports.map((port) => (
        <li key={`${port.host_ip} ${port.host_port} ${port.container_port}/${port.protocol}`} className={ROW}>
          <span className="tabular font-mono text-xs">
            {port.container_port}/{port.protocol}
          </span>
          <span className="tabular text-muted">
            {port.host_port === 0 ? t.onlyInside : `${addressText(port.host_ip)}:${port.host_port}`}
          </span>
        </li>
      ))}
    </Part>
  );
}

function Labels({ container }: { container: ContainerView }) {
  const t = useMessages(messages);
  const labels = Object.entries(container.labels);
  return (
    <Part title={t.labels} note={formatCount(labels.length)} isEmpty={labels.length === 0} empty={t.noLabels}>
      {labels.map(([name, value]) => (
        <li key={name} className={`${ROW} font-mono text-xs`}>
          <span className="min-w-0 break-all">{name}</span>
          <span className="min-w-0 text-right break-all text-muted">{value}</span>
        </li>
      ))}
    </Part>
  );
}

/** What only the engine's own description tells, beside what the list knows. */
function Inspected({ container }: { container: ContainerView }) {
  const t = useMessages(messages);
  const query = useQuery(documentQuery(container));
  const described = query.data === undefined ? null : describedIn(query.data.document);
  return (
    <div className="grid items-start gap-6 lg:grid-cols-2">
      <div className="flex min-w-0 flex-col gap-6">
        <Section title={t.about}>
          <Card className="p-4">
            <Loaded query={query} loading={<Loading label={t.about} rows={8} className="p-0" />}>
              {({ document }) => <About described={describedIn(document)} />}
            </Loaded>
          </Card>
        </Section>
        {described !== null && <Probes described={described} />}
      </div>
      <div className="flex min-w-0 flex-col gap-6">
        <Ports container={container} />
        {described !== null && <Places described={described} />}
        <Labels container={container} />
      </div>
    </div>
  );
}

function About({ described }: { described: Described }) {
  const t = useMessages(messages);
  const now = useNow();
  const { startedAtMs, finishedAtMs } = described;
  const hasEnded = finishedAtMs !== null && (startedAtMs === null || finishedAtMs > startedAtMs);
  return (
    <Facts>
      <Fact term={t.command} isCode>
        {described.command}
      </Fact>
      <Fact term={t.started}>
        {startedAtMs === null ? t.never : `${formatMoment(startedAtMs)} (${formatAge(startedAtMs, now)})`}
      </Fact>
      {hasEnded && (
        <Fact term={t.ended}>
          {formatMoment(finishedAtMs)}, {t.exitCode(described.exitCode)}
          {described.error !== "" && <span className="block text-bad">{described.error}</span>}
          {described.isOutOfMemory && <span className="block text-bad">{t.outOfMemory}</span>}
        </Fact>
      )}
      <Fact term={t.restarts}>
        <span className="tabular">{formatCount(described.restarts)}</span>
      </Fact>
      <Fact term={t.restartPolicy}>{described.restartPolicy}</Fact>
      <Fact term={t.user}>
        {[
          described.user || t.rootUser,
          described.isPrivileged ? t.privileged : "",
          described.isReadOnly ? t.readOnlyRoot : "",
        ]
          .filter(Boolean)
          .join(", ")}
      </Fact>
      {described.workingDir !== "" && (
        <Fact term={t.workingDir} isCode>
          {described.workingDir}
        </Fact>
      )}
      <Fact term={t.hostname}>{described.hostname}</Fact>
      <Fact term={t.logDriver}>{described.logDriver}</Fact>
      <Fact term={t.imageId} isCode>
        <span title={described.imageId}>{shortId(described.imageId.replace("sha256:", ""))}</span>
      </Fact>
    </Facts>
  );
}

function Places({ described }: { described: Described }) {
  const t = useMessages(messages);
  return (
    <>
      <Part title={t.mounts} isEmpty={described.mounts.length === 0} empty={t.noMounts}>
        {described.mounts.map((mount) => (
          <li key={mount.target} className={ROW}>
            <span className="min-w-0 font-mono text-xs break-all">{mount.target}</span>
            <span className="min-w-0 text-right break-all text-muted">
              {mount.kind} {mount.source}
              {mount.isReadOnly && `, ${t.readOnly}`}
            </span>
          </li>
        ))}
      </Part>
      <Part title={t.networks} isEmpty={described.networks.length === 0} empty={t.noNetworks}>
        {described.networks.map((network) => (
          <li key={network.name} className={ROW}>
            <span className="min-w-0 break-all">{network.name}</span>
            <span className="tabular text-muted">{network.address}</span>
          </li>
        ))}
      </Part>
    </>
  );
}

function Probes({ described }: { described: Described }) {
  const t = useMessages(messages);
  if (described.probes.length === 0) return null;
  return (
    <Part title={t.health} isEmpty={false} empty="">
      {described.probes.map((probe) => (
        <li key={probe.atMs} className="flex flex-col gap-0.5 px-4 py-1.5 text-sm">
          <span className="flex justify-between gap-3">
            <Status tone={probe.exitCode === 0 ? "ok" : "bad"}>
              {probe.exitCode === 0 ? t.probeOk : t.probeFailed(probe.exitCode)}
            </Status>
            <span className="tabular text-muted">{probe.atMs === null ? "" : formatMoment(probe.atMs)}</span>
          </span>
          {probe.output !== "" && (
            <code className="line-clamp-3 font-mono text-xs break-all text-muted">{probe.output}</code>
          )}
        </li>
      ))}
    </Part>
  );
}

/** An address of IPv6 in brackets, so that its port is told apart. */
function addressText(address: string): string {
  if (address === "") return "*";
  return address.includes(":") ? `[${address}]` : address;
}

const ROW = "flex items-baseline justify-between gap-4 px-4 py-1.5 text-sm";

interface PartProps {
  title: string;
  note?: string;
  isEmpty: boolean;
  empty: string;
  children: ReactNode;
}

function Part({ title, note, isEmpty, empty, children }: PartProps) {
  return (
    <Section title={title} note={note}>
      <Card>
        {isEmpty ? (
          <p className="px-4 py-3 text-sm text-muted">{empty}</p>
        ) : (
          <ul className="divide-y divide-line">{children}</ul>
        )}
      </Card>
    </Section>
  );
}
