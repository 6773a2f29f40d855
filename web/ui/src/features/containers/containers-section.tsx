import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Container, ScrollText, TriangleAlert } from "lucide-react";
import { useMemo } from "react";
import type { ContainerView } from "@/api/openapi";
import { canOn, useCan } from "@/api/permissions";
import { type ContainerList, containerKey, containersQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Sparkline } from "@/components/sparkline";
import { Empty, Loading } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { LinkButton } from "@/components/ui/link-button";
import { Card, Section } from "@/components/ui/section";
import { cn } from "@/lib/cn";
import { formatBytes, formatCount, formatPercent, parseImage } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { digestOf } from "./container-rows";
import { fitsState, isRunning, stateOf } from "./container-state";
import { type Courses, useCourses } from "./courses";
import { messages } from "./digest-messages";

const SHOWN_MAX = 8;

interface ContainersSectionProps {
  id: string;
  onLogs: (container: ContainerView) => void;
}

/** The containers in short: what is not well, then what is busiest. The rest is on a page of its own. */
export function ContainersSection({ id, onLogs }: ContainersSectionProps) {
  const t = useMessages(messages);
  const query = useQuery(containersQuery);
  return (
    <Section
      id={id}
      title={t.title}
      note={query.data !== undefined && query.data.containers.length > 0 && <Note list={query.data} />}
      actions={<LinkButton to="/containers">{t.all}</LinkButton>}
    >
      <Card>
        <Loaded query={query} loading={<Loading label={t.loading} rows={SHOWN_MAX} />}>
          {(list) => <Digest list={list} onLogs={onLogs} />}
        </Loaded>
      </Card>
    </Section>
  );
}

function Note({ list: { containers } }: { list: ContainerList }) {
  const t = useMessages(messages);
  const unhealthy = containers.filter((each) => fitsState(each, "unhealthy")).length;
  const running = containers.filter(isRunning).length;
  const stopped = containers.length - running;
  return (
    <span className="flex flex-wrap items-center gap-x-3">
      {t.running(formatCount(running))}
      {stopped > 0 && <span>{t.stopped(formatCount(stopped))}</span>}
      {unhealthy > 0 && (
        <Link to="/containers" search={{ state: "unhealthy" }} className="text-text hover:underline">
          <Status tone="bad">{t.unhealthy(formatCount(unhealthy))}</Status>
        </Link>
      )}
    </span>
  );
}

function Digest({ list, onLogs }: { list: ContainerList } & Pick<ContainersSectionProps, "onLogs">) {
  const t = useMessages(messages);
  const can = useCan();
  const courses = useCourses();
  const shown = useMemo(() => digestOf(list.containers, SHOWN_MAX), [list.containers]);
  if (list.containers.length === 0) {
    return (
      <Empty icon={<Container className="size-5" />} title={t.none}>
        {t.noneNote}
      </Empty>
    );
  }
  const stale = new Set(list.problems.map(({ node_id }) => node_id));
  return (
    <>
      {list.problems.map((problem) => (
        <p
          key={problem.node_id}
          role="status"
          className="flex items-start gap-2 border-b border-line px-4 py-2 text-sm text-warn"
        >
          <TriangleAlert aria-hidden className="mt-0.5 size-3.5 shrink-0" />
          <span>
            <strong className="font-semibold">{t.oldOf(problem.node_name)}</strong>{" "}
            <Sentence text={problem.reason} />.
          </span>
        </p>
      ))}
      <ul aria-label={t.note}>
        {shown.map((container) => (
          <Line
            key={containerKey(container)}
            container={container}
            isStale={stale.has(container.node_id)}
            courses={courses}
            onLogs={canOn(container, can)("container.logs") ? onLogs : null}
          />
        ))}
      </ul>
    </>
  );
}

interface LineProps {
  container: ContainerView;
  isStale: boolean;
  courses: Courses;
  onLogs: ((container: ContainerView) => void) | null;
}

function Line({ container, isStale, courses, onLogs }: LineProps) {
  const t = useMessages(messages);
  const state = stateOf(container);
  const image = parseImage(container.image);
  const course = courses(container.node_id, container.id, "cpu_percent");
  const cpu = formatPercent(container.cpu_percent);
  return (
    <li
      className={cn(
        "grid h-14 grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 border-t border-line pr-2 pl-4 text-sm first:border-t-0 md:h-10 md:grid-cols-[minmax(0,1.4fr)_minmax(0,1.1fr)_minmax(0,1fr)_9rem_4.5rem_minmax(3rem,0.4fr)_2rem]",
        isStale && "text-muted",
      )}
    >
      <h3 className="truncate text-base font-medium">
        <Link
          to="/containers/$node/$container"
          params={{ node: container.node_id, container: container.id }}
          className="hover:underline"
        >
          {container.name}
        </Link>
      </h3>
      <span className="truncate max-md:col-start-1 max-md:row-start-2">
        <Status tone={isStale ? "neutral" : state.tone}>
          {state.word} <span className="text-muted">{state.detail}</span>
        </Status>
      </span>
      <span className="truncate max-md:hidden" title={image.full}>
        {image.short}
        {image.tag !== "" && <span className="text-muted">:{image.tag}</span>}
      </span>
      <span className="tabular flex items-center justify-end gap-2 max-md:hidden">
        {course !== undefined && (
          <Sparkline
            values={course.values}
            topMin={10}
            label={t.cpuCourse(cpu)}
            className="h-4 w-14 shrink-0 text-series-1"
          />
        )}
        <span className="min-w-[6ch] text-right">{cpu}</span>
      </span>
      <span className="tabular text-right max-md:hidden">{formatBytes(container.memory_bytes)}</span>
      <span className="truncate max-md:hidden">{container.node_name}</span>
      {onLogs !== null && (
        <Button
          tone="ghost"
          isIcon
          aria-label={t.logsOf(container.name)}
          title={t.logs}
          className="max-md:col-start-2 max-md:row-span-2 max-md:row-start-1"
          onClick={() => onLogs(container)}
        >
          <ScrollText aria-hidden className="size-4" />
        </Button>
      )}
    </li>
  );
}
