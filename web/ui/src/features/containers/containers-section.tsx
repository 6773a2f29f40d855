import { useQuery } from "@tanstack/react-query";
import { Container, TriangleAlert } from "lucide-react";
import { lazy, Suspense, useCallback, useMemo, useState } from "react";
import type { ContainerView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { type ContainerList, containersQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, Section } from "@/components/ui/section";
import { formatCount } from "@/lib/format";
import { useMedia } from "@/lib/media";
import { type ContainerRequest, useContainerAction, type Verb } from "./container-actions";
import { ContainerCards } from "./container-cards";
import { type ContainersView, EVERYTHING, rowsOf } from "./container-rows";
import { fitsState } from "./container-state";
import { ContainerTable } from "./container-table";
import { ContainersFilter } from "./containers-filter";

const ConfirmAction = lazy(() => import("./confirm-action"));

interface ContainersSectionProps {
  id: string;
  view: ContainersView;
  onView: (change: Partial<ContainersView>) => void;
  onLogs: (container: ContainerView) => void;
}

/** Every container of every host, whoever made it. */
export function ContainersSection({ id, view, onView, onLogs }: ContainersSectionProps) {
  const query = useQuery(containersQuery);
  const list = query.data;
  const rows = useMemo(() => rowsOf(list?.containers ?? [], view), [list, view]);
  return (
    <Section
      id={id}
      title="Containers"
      note={
        list !== undefined && (
          <Note
            list={list}
            shown={rows.length}
            onUnhealthy={() => onView({ ...EVERYTHING, state: "unhealthy" })}
          />
        )
      }
      actions={
        list !== undefined &&
        list.containers.length > 0 && (
          <ContainersFilter containers={list.containers} view={view} onView={onView} />
        )
      }
    >
      <Card>
        <Loaded query={query} loading={<Loading label="Loading containers" rows={8} />}>
          {(loaded) => <Rows list={loaded} rows={rows} view={view} onView={onView} onLogs={onLogs} />}
        </Loaded>
      </Card>
    </Section>
  );
}

/** How many there are, and a way to those that need somebody: they may be far down. */
function Note({ list, shown, onUnhealthy }: { list: ContainerList; shown: number; onUnhealthy: () => void }) {
  const { containers } = list;
  const unhealthy = containers.filter((each) => fitsState(each, "unhealthy")).length;
  return (
    <span className="flex items-center gap-3">
      {shown === containers.length
        ? formatCount(shown)
        : `${formatCount(shown)} of ${formatCount(containers.length)}`}
      {unhealthy > 0 && (
        <button type="button" className="text-text hover:underline" onClick={onUnhealthy}>
          <Status tone="bad">{formatCount(unhealthy)} unhealthy</Status>
        </button>
      )}
    </span>
  );
}

function Rows({
  list,
  rows,
  view,
  onView,
  onLogs,
}: Omit<ContainersSectionProps, "id"> & { list: ContainerList; rows: ContainerView[] }) {
  const isWide = useMedia("(min-width: 48rem)");
  const can = useCan();
  const action = useContainerAction();
  const [asked, setAsked] = useState<ContainerRequest | null>(null);
  const { mutate } = action;
  const onVerb = useCallback(
    (container: ContainerView, verb: Verb) => {
      if (verb === "start" || verb === "unpause") mutate({ container, verb });
      else setAsked({ container, verb });
    },
    [mutate],
  );
  const shared = {
    rows,
    can,
    staleHosts: new Set(list.problems.map((problem) => problem.node_id)),
    onLogs,
    onVerb,
  };
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
            <strong className="font-semibold">Containers of {problem.node_name} as last known:</strong>{" "}
            {problem.reason}.
          </span>
        </p>
      ))}
      {rows.length === 0 ? (
        <NoRows isFiltered={list.containers.length > 0} onReset={() => onView(EVERYTHING)} />
      ) : isWide ? (
        <ContainerTable {...shared} view={view} onView={onView} />
      ) : (
        <ContainerCards {...shared} />
      )}
      {asked !== null && (
        <Suspense fallback={null}>
          <ConfirmAction
            request={asked}
            isPending={action.isPending}
            onConfirm={() => action.mutate(asked, { onSettled: () => setAsked(null) })}
            onCancel={() => setAsked(null)}
          />
        </Suspense>
      )}
    </>
  );
}

function NoRows({ isFiltered, onReset }: { isFiltered: boolean; onReset: () => void }) {
  if (!isFiltered) {
    return (
      <Empty icon={<Container className="size-5" />} title="No containers yet">
        Anything Docker runs on a host of this cluster appears here by itself.
      </Empty>
    );
  }
  return (
    <Empty icon={<Container className="size-5" />} title="No container fits">
      <Button className="mt-2" onClick={onReset}>
        Show all containers
      </Button>
    </Empty>
  );
}
