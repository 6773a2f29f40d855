import { queryOptions, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Activity } from "lucide-react";
import { request } from "@/api/client";
import type { ContainerView, UptimesView, UptimeView } from "@/api/openapi";
import { containersQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Status, type Tone } from "@/components/ui/badge";
import { Card, Section } from "@/components/ui/section";
import { cn } from "@/lib/cn";
import { formatMoment, UNKNOWN } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { uptimes } from "./uptime-messages";
import { standingOf, toneOf } from "./uptime-standing";

const STRETCHES = 48;

const uptimeQuery = queryOptions({
  queryKey: ["uptime"],
  queryFn: ({ signal }) =>
    request<UptimesView>("/uptime", { query: { span: "24h", stretches: STRETCHES }, signal }),
  refetchInterval: 60_000,
});

/** How each project is now, and how the last day was for it. */
export function UptimeSection() {
  const t = useMessages(uptimes);
  const query = useQuery(uptimeQuery);
  const { data: containers } = useQuery(containersQuery);
  return (
    <Section title={t.title} note={t.note}>
      <Card className="flex-1">
        <Loaded query={query} loading={<Loading label={t.loading} rows={4} />}>
          {({ groups, start_ms, end_ms }) =>
            groups.length === 0 ? (
              <Empty icon={<Activity className="size-5" />} title={t.none}>
                {t.noneNote}
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {groups.map((group) => (
                  <Group
                    key={`${group.kind} ${group.name}`}
                    group={group}
                    containers={containers?.containers ?? []}
                    startMs={start_ms}
                    endMs={end_ms}
                  />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
    </Section>
  );
}

interface GroupProps {
  group: UptimeView;
  containers: readonly ContainerView[];
  startMs: number;
  endMs: number;
}

function Group({ group, containers, startMs, endMs }: GroupProps) {
  const t = useMessages(uptimes);
  const { tone, healthy, total } = standingOf(group, containers);
  const isProject = group.kind === "project";
  const search = isProject ? { project: group.name } : { host: group.name };
  return (
    <li className="grid grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 gap-y-1.5 px-4 py-2.5 text-sm sm:grid-cols-[minmax(0,10rem)_minmax(0,1fr)_4.5rem]">
      <div className="min-w-0">
        <Link to="/containers" search={search} className="block truncate font-medium hover:underline">
          {isProject ? group.name : t.onHost(group.name)}
        </Link>
        <Status tone={tone}>
          <span className="tabular text-xs text-muted">
            {total === 0 ? t.gone : t.healthy(healthy, total)}
          </span>
        </Status>
      </div>
      <Course group={group} startMs={startMs} endMs={endMs} />
      <span className="tabular row-start-1 text-right sm:row-auto" title={t.knownNote}>
        {group.up === null ? UNKNOWN : t.share(group.up)}
      </span>
    </li>
  );
}

const FILL: Record<Tone, string> = {
  ok: "fill-ok-mark",
  warn: "fill-warn-mark",
  bad: "fill-bad-mark",
  accent: "fill-accent",
  neutral: "fill-line",
};

/** A bar for each stretch of the day. Where it was not up all of the time the bar is cut, so that colour is not alone. */
function Course({ group, startMs, endMs }: Omit<GroupProps, "containers">) {
  const t = useMessages(uptimes);
  const step = (endMs - startMs) / group.course.length;
  const worst = Math.min(1, ...group.course.filter((share) => share !== null));
  return (
    <svg
      role="img"
      aria-label={t.courseOf(
        group.name,
        group.up === null ? t.unknown : t.share(group.up),
        group.up === null ? t.unknown : t.share(worst),
      )}
      viewBox={`0 0 ${group.course.length * 4} 24`}
      preserveAspectRatio="none"
      className="col-span-2 block h-6 w-full sm:col-span-1"
    >
      {group.course.map((share, index) => {
        const height = share === null ? 24 : Math.max(4, share * 24);
        return (
          <g key={index}>
            <title>
              {`${formatMoment(startMs + index * step)}: ${share === null ? t.unknown : t.share(share)}`}
            </title>
            <rect
              x={index * 4}
              width="3"
              height="24"
              className={cn(share === null ? "fill-hover" : "fill-line")}
            />
            {share !== null && (
              <rect x={index * 4} y={24 - height} width="3" height={height} className={FILL[toneOf(share)]} />
            )}
          </g>
        );
      })}
    </svg>
  );
}
