import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Columns3, Container, TriangleAlert } from "lucide-react";
import { Suspense, useCallback, useMemo, useRef, useState } from "react";
import type { ContainerView } from "@/api/openapi";
import { canOn, useCan } from "@/api/permissions";
import { type ContainerList, containerKey, containersQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Page } from "@/components/page";
import { Sentence } from "@/components/sentence";
import { Empty, Loading } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { LinkButton } from "@/components/ui/link-button";
import { MenuButton } from "@/components/ui/menu-button";
import { Card } from "@/components/ui/section";
import { useShortcuts } from "@/components/use-shortcuts";
import { lazily } from "@/lib/fetched";
import { formatCount } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { useMedia } from "@/lib/media";
import { ChoiceBar } from "./choice-bar";
import { COLUMNS, toggleColumn, useColumns } from "./columns";
import {
  type ContainerRequest,
  divide,
  needsAsking,
  useContainerAction,
  type Verb,
  verbsOf,
} from "./container-actions";
import { ContainerCards } from "./container-cards";
import { type ContainersView, EVERYTHING, itemsOf, rowsOf } from "./container-rows";
import { fitsState } from "./container-state";
import { ContainerTable } from "./container-table";
import { ContainersFilter } from "./containers-filter";
import { useCourses } from "./courses";
import { keysOf } from "./list-props";
import { messages } from "./messages";
import { allToggled, extended, NONE, type Selection, toggled } from "./selection";

const ConfirmAction = lazily(() => import("./confirm-action"));
const BulkWindow = lazily(() => import("./bulk-window"));

interface ContainersPageProps {
  view: ContainersView;
  onView: (change: Partial<ContainersView>) => void;
}

/** Every container of every host, whoever made it. */
export function ContainersPage({ view, onView }: ContainersPageProps) {
  const t = useMessages(messages);
  const query = useQuery(containersQuery);
  const list = query.data;
  const rows = useMemo(() => rowsOf(list?.containers ?? [], view), [list, view]);
  return (
    <Page
      title={t.title}
      note={
        list !== undefined && (
          <Note
            list={list}
            shown={rows.length}
            onUnhealthy={() => onView({ ...EVERYTHING, state: "unhealthy" })}
          />
        )
      }
    >
      {list !== undefined && list.containers.length > 0 && (
        <div className="mb-3 flex flex-wrap items-start gap-2">
          <ContainersFilter containers={list.containers} view={view} onView={onView} />
          <ColumnsMenu />
        </div>
      )}
      <Card>
        <Loaded query={query} loading={<Loading label={t.loading} rows={12} />}>
          {(loaded) => <List list={loaded} rows={rows} view={view} onView={onView} />}
        </Loaded>
      </Card>
    </Page>
  );
}

/** How many there are, and a way to those that need somebody: they may be far down. */
function Note({ list, shown, onUnhealthy }: { list: ContainerList; shown: number; onUnhealthy: () => void }) {
  const t = useMessages(messages);
  const { containers } = list;
  const unhealthy = containers.filter((each) => fitsState(each, "unhealthy")).length;
  return (
    <span className="flex items-center gap-3">
      {shown === containers.length
        ? formatCount(shown)
        : t.shownOf(formatCount(shown), formatCount(containers.length))}
      {unhealthy > 0 && (
        <button type="button" className="text-text hover:underline" onClick={onUnhealthy}>
          <Status tone="bad">{t.unhealthy(formatCount(unhealthy))}</Status>
        </button>
      )}
    </span>
  );
}

function ColumnsMenu() {
  const t = useMessages(messages);
  const shown = useColumns();
  return (
    <span className="ml-auto max-md:hidden">
      <MenuButton
        menuLabel={t.columns}
        groups={[
          COLUMNS.map((column) => ({
            key: column,
            label: t.column[column],
            isChecked: shown.includes(column),
            onSelect: () => toggleColumn(column),
          })),
        ]}
      >
        <Columns3 aria-hidden className="size-3.5" />
        {t.columns}
      </MenuButton>
    </span>
  );
}

function List({
  list,
  rows,
  view,
  onView,
}: ContainersPageProps & { list: ContainerList; rows: ContainerView[] }) {
  const t = useMessages(messages);
  const isWide = useMedia("(min-width: 48rem)");
  const can = useCan();
  const courses = useCourses();
  const columns = useColumns();
  const navigate = useNavigate();
  const action = useContainerAction();
  const [asked, setAsked] = useState<ContainerRequest | null>(null);
  const [bulk, setBulk] = useState<Verb | null>(null);
  const [selection, setSelection] = useState<Selection>(NONE);
  const [active, setActive] = useState<string | null>(null);
  const items = useMemo(() => itemsOf(rows, view.group), [rows, view.group]);
  const keys = useMemo(() => keysOf(items), [items]);
  const byKey = useMemo(() => new Map(rows.map((row) => [containerKey(row), row])), [rows]);
  // What a filter hides is not acted on.
  const chosen = useMemo(
    () => [...selection.keys].map((key) => byKey.get(key)).filter((each) => each !== undefined),
    [selection, byKey],
  );
  const wanted = useRef<string | null>(null);
  const newest = useRef(keys);
  newest.current = keys;
  const { mutate } = action;
  const onVerb = useCallback(
    (container: ContainerView, verb: Verb) => {
      if (needsAsking(verb)) setAsked({ container, verb });
      else mutate({ container, verb });
    },
    [mutate],
  );
  const onLogs = useCallback(
    (container: ContainerView) =>
      void navigate({ to: "/logs", search: { c: `${container.node_id}:${container.id}` } }),
    [navigate],
  );
  const onOpen = useCallback(
    ({ node_id, id }: ContainerView) =>
      void navigate({ to: "/containers/$node/$container", params: { node: node_id, container: id } }),
    [navigate],
  );
  const onToggle = useCallback(
    (key: string, isRange: boolean) =>
      setSelection((before) => (isRange ? extended(before, key, newest.current) : toggled(before, key))),
    [],
  );
  const onToggleAll = useCallback(
    (all: readonly string[]) => setSelection((before) => allToggled(before, all)),
    [],
  );
  const staleHosts = useMemo(() => new Set(list.problems.map(({ node_id }) => node_id)), [list.problems]);
  useListKeys({
    keys,
    active: active === null ? undefined : byKey.get(active),
    can,
    onActive: (key) => {
      wanted.current = key;
      setActive(key);
    },
    onToggle,
    onExtend: (from, to) =>
      setSelection((before) => {
        const begun = before.anchor === null || !before.keys.has(from) ? toggledOn(before, from) : before;
        return extended(begun, to, newest.current);
      }),
    onClear: () => setSelection(NONE),
    onLogs,
    onVerb,
    onOpen,
  });
  const shared = {
    items,
    view,
    can,
    courses,
    staleHosts,
    selection,
    active,
    wanted,
    onActive: setActive,
    onToggle,
    onToggleAll,
    onOpen,
    onLogs,
    onVerb,
  };
  const bulkOn = bulk === null ? null : divide(bulk, chosen, can);
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
      {rows.length === 0 ? (
        <NoRows isFiltered={list.containers.length > 0} can={can} onReset={() => onView(EVERYTHING)} />
      ) : isWide ? (
        <ContainerTable {...shared} columns={columns} onView={onView} />
      ) : (
        <ContainerCards {...shared} />
      )}
      {chosen.length > 0 && (
        <ChoiceBar chosen={chosen} can={can} onVerb={setBulk} onClear={() => setSelection(NONE)} />
      )}
      <Suspense fallback={null}>
        {asked !== null && (
          <ConfirmAction
            request={asked}
            isPending={action.isPending}
            onConfirm={() => action.mutate(asked, { onSettled: () => setAsked(null) })}
            onCancel={() => setAsked(null)}
          />
        )}
        {bulk !== null && bulkOn !== null && (
          <BulkOnce
            verb={bulk}
            containers={bulkOn.fit}
            unfit={bulkOn.unfit.length}
            denied={bulkOn.denied}
            onClose={() => setBulk(null)}
          />
        )}
      </Suspense>
    </>
  );
}

/** What was chosen when the question was asked: the list goes on changing while it is answered. */
function BulkOnce(props: {
  verb: Verb;
  containers: ContainerView[];
  unfit: number;
  denied: readonly ContainerView[];
  onClose: () => void;
}) {
  const [asked] = useState(props);
  return <BulkWindow {...asked} onClose={props.onClose} />;
}

function toggledOn(selection: Selection, key: string): Selection {
  return { keys: new Set([...selection.keys, key]), anchor: key };
}

interface ListKeys {
  keys: readonly string[];
  active: ContainerView | undefined;
  can: (action: string) => boolean;
  onActive: (key: string) => void;
  onToggle: (key: string, isRange: boolean) => void;
  onExtend: (from: string, to: string) => void;
  onClear: () => void;
  onLogs: (container: ContainerView) => void;
  onVerb: (container: ContainerView, verb: Verb) => void;
  onOpen: (container: ContainerView) => void;
}

/** The list without a mouse: up and down, choose, and the usual things to do. */
function useListKeys(list: ListKeys): void {
  const t = useMessages(messages).keys;
  const { keys, active } = list;
  const at = active === undefined ? -1 : keys.indexOf(containerKey(active));
  const go = (by: 1 | -1, isChoosing = false) => {
    const next = keys[at === -1 ? 0 : Math.min(keys.length - 1, Math.max(0, at + by))];
    if (next === undefined) return;
    if (isChoosing && active !== undefined) list.onExtend(containerKey(active), next);
    list.onActive(next);
  };
  const on = (what: (container: ContainerView) => void) => () => {
    if (active !== undefined) what(active);
  };
  const openLogs = (container: ContainerView) => {
    if (canOn(container, list.can)("container.logs")) list.onLogs(container);
  };
  const toggleRunning = (container: ContainerView) => {
    const verbs = verbsOf(container, list.can);
    const verb = (["stop", "start"] as const).find((each) => verbs.includes(each));
    if (verb !== undefined) list.onVerb(container, verb);
  };
  const group = t.group;
  useShortcuts([
    { keys: "j", label: t.next, group, run: () => go(1) },
    { keys: "k", label: t.previous, group, run: () => go(-1) },
    { keys: "o", label: t.open, group, run: on(list.onOpen) },
    ...(list.can("container.logs") ? [{ keys: "l", label: t.logs, group, run: on(openLogs) }] : []),
    ...(list.can("container.restart")
      ? [
          {
            keys: "r",
            label: t.restart,
            group,
            run: on((each) => verbsOf(each, list.can).includes("restart") && list.onVerb(each, "restart")),
          },
        ]
      : []),
    ...(list.can("container.stop") ? [{ keys: "s", label: t.stop, group, run: on(toggleRunning) }] : []),
    { keys: "x", label: t.choose, group, run: on((each) => list.onToggle(containerKey(each), false)) },
    { keys: "J", label: t.chooseNext, group, run: () => go(1, true) },
    { keys: "K", label: t.choosePrevious, group, run: () => go(-1, true) },
    { keys: "Escape", label: t.clear, group, run: list.onClear },
  ]);
}

interface NoRowsProps {
  isFiltered: boolean;
  can: (action: string) => boolean;
  onReset: () => void;
}

function NoRows({ isFiltered, can, onReset }: NoRowsProps) {
  const t = useMessages(messages);
  const icon = <Container className="size-5" />;
  if (isFiltered) {
    return (
      <Empty icon={icon} title={t.noFit}>
        <Button className="mt-2" onClick={onReset}>
          {t.showAll}
        </Button>
      </Empty>
    );
  }
  return (
    <Empty icon={icon} title={t.none}>
      <p>{t.noneNote}</p>
      {can("service.deploy") && (
        <div className="mt-3">
          <LinkButton to="/deploy">{t.deploy}</LinkButton>
        </div>
      )}
    </Empty>
  );
}
