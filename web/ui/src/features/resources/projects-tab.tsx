import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Play, RotateCw, Square, TriangleAlert } from "lucide-react";
import { type ReactNode, Suspense, useState } from "react";
import type { ProjectState, ProjectView } from "@/api/openapi";
import { canOn, useCan } from "@/api/permissions";
import { containersQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Pick } from "@/components/pick";
import { RowMenu } from "@/components/row-menu";
import { Sentence } from "@/components/sentence";
import { Loading } from "@/components/states";
import { Status, type Tone } from "@/components/ui/badge";
import { Card } from "@/components/ui/section";
import { lazily } from "@/lib/fetched";
import { formatCount } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { actOnProject, type ProjectVerb, projectsQuery, RESOURCES_KEY } from "./resource-queries";
import { choicesOf, EVERYTHING, projectsFitting, type ResourcesView } from "./resource-rows";
import { NoRows, SearchBox } from "./resource-tab";

const ProjectWindow = lazily(() => import("./project-window"));

const TONES: Record<ProjectState, Tone> = { running: "ok", partial: "warn", stopped: "neutral" };
const PERMISSION: Record<ProjectVerb, string> = {
  start: "container.start",
  stop: "container.stop",
  restart: "container.restart",
};
const ICONS: Record<ProjectVerb, ReactNode> = {
  start: <Play aria-hidden className="size-3.5" />,
  stop: <Square aria-hidden className="size-3.5" />,
  restart: <RotateCw aria-hidden className="size-3.5" />,
};

interface ProjectsTabProps {
  view: ResourcesView;
  onView: (change: Partial<ResourcesView>) => void;
}

/** Compose projects over all hosts, whoever started them. */
export function ProjectsTab({ view, onView }: ProjectsTabProps) {
  const t = useMessages(messages);
  const client = useQueryClient();
  const query = useQuery(projectsQuery);
  const [asked, setAsked] = useState<{ project: ProjectView; verb: ProjectVerb } | null>(null);
  const action = useMutation({
    mutationFn: ({ project, verb }: { project: ProjectView; verb: ProjectVerb }) =>
      actOnProject(project.name, verb),
    onSettled: () => {
      void client.invalidateQueries({ queryKey: containersQuery.queryKey });
      return client.invalidateQueries({ queryKey: RESOURCES_KEY });
    },
  });
  const projects = query.data?.items ?? [];
  const rows = projectsFitting(projects, view);
  const hosts = choicesOf(projects.flatMap((project) => project.hosts.map(({ node_name }) => node_name)));
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center gap-2">
        <search className="flex min-w-0 flex-wrap items-center gap-2 max-sm:w-full">
          <SearchBox label={t.search} value={view.text} onValue={(text) => onView({ text })} />
          <Pick
            className="max-w-40 max-sm:min-w-0"
            label={t.host}
            all={t.allHosts}
            value={view.host}
            choices={hosts}
            onPick={(host) => onView({ host })}
          />
        </search>
        <span className="tabular text-sm text-muted max-sm:hidden">
          {query.data !== undefined && formatCount(rows.length)}
        </span>
      </div>
      <Card>
        <Loaded query={query} loading={<Loading label={t.loading} rows={6} />}>
          {(list) => (
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
                    <Sentence text={problem.reason} />
                  </span>
                </p>
              ))}
              {rows.length === 0 ? (
                <NoRows
                  kind="projects"
                  isFiltered={list.items.length > 0}
                  onReset={() => onView(EVERYTHING)}
                />
              ) : (
                <ul aria-label={t.tabs.projects}>
                  {rows.map((project) => (
                    <Line
                      key={project.name}
                      project={project}
                      onVerb={(verb) => {
                        action.reset();
                        setAsked({ project, verb });
                      }}
                    />
                  ))}
                </ul>
              )}
            </>
          )}
        </Loaded>
      </Card>
      <Suspense fallback={null}>
        {asked !== null && (
          <ProjectWindow
            project={asked.project}
            verb={asked.verb}
            isPending={action.isPending}
            done={action.data ?? null}
            onConfirm={() => action.mutate(asked)}
            onClose={() => setAsked(null)}
          />
        )}
      </Suspense>
    </>
  );
}

function Line({ project, onVerb }: { project: ProjectView; onVerb: (verb: ProjectVerb) => void }) {
  const t = useMessages(messages);
  const can = useCan();
  const own = project.total - project.managed;
  const sensible: ProjectVerb[] =
    project.state === "running"
      ? ["restart", "stop"]
      : project.state === "stopped"
        ? ["start"]
        : ["start", "restart", "stop"];
  // Replicas are looked after by their services.
  const canHere = canOn(project, can);
  const verbs = own === 0 ? [] : sensible.filter((verb) => canHere(PERMISSION[verb]));
  return (
    <li className="flex items-center gap-3 border-t border-line py-2.5 pr-2 pl-4 first:border-t-0">
      <div className="grid min-w-0 flex-1 items-center gap-x-4 gap-y-1 md:grid-cols-[minmax(0,1.2fr)_12rem_minmax(0,2fr)_minmax(0,0.8fr)]">
        <h2 className="truncate font-medium">
          <Link
            to="/containers"
            search={{ project: project.name }}
            title={t.containersOf(project.name)}
            className="hover:underline"
          >
            {project.name}
          </Link>
        </h2>
        <span className="flex flex-wrap items-center gap-x-2 text-sm">
          <Status tone={project.unhealthy > 0 ? "bad" : TONES[project.state]}>
            {t.states[project.state]}{" "}
            <span className="tabular text-muted">
              {project.running}/{project.total}
            </span>
          </Status>
          {project.unhealthy > 0 && <span className="text-bad">{t.unhealthy(project.unhealthy)}</span>}
        </span>
        <span className="truncate text-sm text-muted" title={project.services.join(", ")}>
          {project.services.join(", ")}
          {project.managed > 0 && ` · ${t.replicas(project.managed)}`}
        </span>
        <span className="tabular truncate text-sm text-muted">
          {project.hosts.map((host) => `${host.node_name} ${host.running}/${host.total}`).join(", ")}
        </span>
      </div>
      <span className="w-8 shrink-0">
        <RowMenu
          name={project.name}
          groups={[
            verbs.map((verb) => ({
              key: verb,
              label: t[verb],
              icon: ICONS[verb],
              onSelect: () => onVerb(verb),
            })),
          ]}
        />
      </span>
    </li>
  );
}
