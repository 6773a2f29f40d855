import { type UseQueryResult, useMutation, useQueryClient } from "@tanstack/react-query";
import { HardDrive, Search, TriangleAlert } from "lucide-react";
import { type ReactNode, Suspense, useMemo, useState } from "react";
import { useCan } from "@/api/permissions";
import { Loaded } from "@/components/loaded";
import { Pick } from "@/components/pick";
import { RowMenu } from "@/components/row-menu";
import { Sentence } from "@/components/sentence";
import { Empty, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { Card } from "@/components/ui/section";
import { showDone } from "@/components/ui/toast-store";
import { lazily } from "@/lib/fetched";
import { formatCount } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { type ListColumn, ResourceList } from "./resource-list";
import { type Kind, type Listed, RESOURCES_KEY, remove } from "./resource-queries";
import {
  choicesOf,
  EVERYTHING,
  idOf,
  keyOf,
  nameOf,
  projectsOf,
  type Resource,
  type ResourcesView,
  rowsOf,
  type SortValue,
  USES,
  useOf,
} from "./resource-rows";
import { UseBadge } from "./use-badge";

const RemoveWindow = lazily(() => import("./remove-window"));
const CleanupWindow = lazily(() => import("./cleanup-window"));

const PERMISSION: Record<Kind, string> = {
  images: "image.remove",
  volumes: "volume.remove",
  networks: "network.remove",
};

interface ResourceTabProps<Row extends Resource> {
  kind: Kind;
  query: UseQueryResult<Listed<Row>>;
  view: ResourcesView;
  onView: (change: Partial<ResourcesView>) => void;
  columns: readonly ListColumn<Row>[];
  name: (row: Row) => ReactNode;
  sortedBy: (row: Row, column: string) => SortValue;
  /** Below a card's badge. */
  line: (row: Row) => ReactNode;
  actions?: ReactNode;
}

/** Everything of one kind, who uses it, and what may go. */
export function ResourceTab<Row extends Resource>(props: ResourceTabProps<Row>) {
  const { kind, query, view, onView, columns, sortedBy } = props;
  const t = useMessages(messages);
  const can = useCan();
  const isRemover = can(PERMISSION[kind]);
  const [asked, setAsked] = useState<Row | null>(null);
  const [cleaned, setCleaned] = useState<readonly Row[] | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const removal = useRemoval(kind, () => setAsked(null));
  const data = query.data;
  const rows = useMemo(() => rowsOf(data?.items ?? [], view, sortedBy), [data, view, sortedBy]);
  const stale = useMemo(() => new Set(data?.problems.map(({ node_id }) => node_id)), [data]);
  // Volumes go one by one, by name, so that they are chosen; the others go by rule.
  const isChoosing = kind === "volumes" && isRemover;
  const going = isChoosing ? rows.filter((row) => chosen.has(keyOf(row)) && useOf(row) === "unused") : [];
  const toggle = (key: string) =>
    setChosen((before) => {
      const next = new Set(before);
      if (!next.delete(key)) next.add(key);
      return next;
    });
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center gap-2">
        <Filter items={data?.items ?? []} view={view} onView={onView} />
        <span className="tabular text-sm text-muted max-sm:hidden">
          {data !== undefined && formatCount(rows.length)}
        </span>
        <div className="ml-auto flex flex-wrap gap-2">
          {props.actions}
          {isRemover &&
            (isChoosing ? (
              <Button disabled={going.length === 0} onClick={() => setCleaned(going)}>
                {t.removeChosen(going.length)}
              </Button>
            ) : (
              <Button onClick={() => setCleaned([])}>{t.cleanUp}</Button>
            ))}
        </div>
      </div>
      <Card>
        <Loaded query={query} loading={<Loading label={t.loading} rows={10} />}>
          {(loaded) => (
            <>
              {loaded.problems.map((problem) => (
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
                <NoRows kind={kind} isFiltered={loaded.items.length > 0} onReset={() => onView(EVERYTHING)} />
              ) : (
                <ResourceList
                  caption={t.tabs[kind]}
                  rows={rows}
                  keyOf={keyOf}
                  name={props.name}
                  nameTitle={t.name}
                  columns={columns}
                  before={
                    isChoosing
                      ? (row) => (
                          <Choice
                            label={t.choose(nameOf(row))}
                            isPossible={useOf(row) === "unused"}
                            isChosen={chosen.has(keyOf(row))}
                            onToggle={() => toggle(keyOf(row))}
                          />
                        )
                      : undefined
                  }
                  actions={(row) => (
                    <RowMenu
                      name={nameOf(row)}
                      groups={[
                        isRemover && useOf(row) !== "used"
                          ? [
                              {
                                key: "remove",
                                label: t.remove,
                                isDangerous: true,
                                onSelect: () => setAsked(row),
                              },
                            ]
                          : [],
                      ]}
                    />
                  )}
                  actionsTitle={t.actions}
                  isStale={(row) => stale.has(row.node_id)}
                  lines={(row) => [<UseBadge key="use" resource={row} />, props.line(row)]}
                  sort={view.sort}
                  isDescending={view.isDescending}
                  onSort={(sort, isDescending) => onView({ sort, isDescending })}
                />
              )}
            </>
          )}
        </Loaded>
      </Card>
      <Suspense fallback={null}>
        {asked !== null && (
          <RemoveWindow
            kind={kind}
            resource={asked}
            isPending={removal.isPending}
            onConfirm={() => removal.mutate(asked)}
            onCancel={() => setAsked(null)}
          />
        )}
        {cleaned !== null && (
          <CleanupWindow
            kind={kind}
            host={view.host}
            volumes={cleaned.map((row) => ({ node: row.node_id, name: nameOf(row) }))}
            onClose={() => setCleaned(null)}
          />
        )}
      </Suspense>
    </>
  );
}

function useRemoval(kind: Kind, onDone: () => void) {
  const t = useMessages(messages);
  const client = useQueryClient();
  return useMutation({
    mutationFn: (row: Resource) => remove(kind, idOf(row), row.node_id, useOf(row) === "kept"),
    onSuccess: (_, row) => showDone(t.removed(nameOf(row), row.node_name)),
    onSettled: () => {
      onDone();
      return client.invalidateQueries({ queryKey: RESOURCES_KEY });
    },
  });
}

function Choice(props: { label: string; isPossible: boolean; isChosen: boolean; onToggle: () => void }) {
  return (
    <label className="grid size-8 place-items-center pointer-coarse:size-10">
      <input
        type="checkbox"
        aria-label={props.label}
        disabled={!props.isPossible}
        checked={props.isChosen && props.isPossible}
        onChange={props.onToggle}
        className="size-3.5 accent-accent disabled:opacity-30"
      />
    </label>
  );
}

interface FilterProps {
  items: readonly Resource[];
  view: ResourcesView;
  onView: (change: Partial<ResourcesView>) => void;
}

function Filter({ items, view, onView }: FilterProps) {
  const t = useMessages(messages);
  const hosts = useMemo(() => choicesOf(items.map(({ node_name }) => node_name)), [items]);
  const projects = useMemo(() => choicesOf(items.flatMap(projectsOf)), [items]);
  return (
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
      <Pick
        className="max-w-40 max-sm:min-w-0"
        label={t.project}
        all={t.allProjects}
        value={view.project}
        choices={projects}
        onPick={(project) => onView({ project })}
      />
      <Pick
        className="max-w-40 max-sm:min-w-0"
        label={t.use}
        all={t.anyUse}
        value={view.use}
        choices={USES}
        words={t.uses}
        onPick={(use) => onView({ use: USES.find((each) => each === use) ?? "" })}
      />
    </search>
  );
}

export function SearchBox({
  label,
  value,
  onValue,
}: {
  label: string;
  value: string;
  onValue: (value: string) => void;
}) {
  return (
    <div className="relative w-full sm:w-56">
      <Search
        aria-hidden
        className="pointer-events-none absolute top-1/2 left-2.5 size-3.5 -translate-y-1/2 text-muted"
      />
      <Input
        type="search"
        aria-label={label}
        placeholder={label}
        className="w-full pl-8"
        value={value}
        onInput={(event) => onValue(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && onValue("")}
      />
    </div>
  );
}

interface NoRowsProps {
  kind: Kind | "projects";
  isFiltered: boolean;
  onReset: () => void;
}

export function NoRows({ kind, isFiltered, onReset }: NoRowsProps) {
  const t = useMessages(messages);
  const icon = <HardDrive className="size-5" />;
  if (!isFiltered) {
    return (
      <Empty icon={icon} title={t.none[kind]}>
        {t.noneNote[kind]}
      </Empty>
    );
  }
  return (
    <Empty icon={icon} title={t.noFit}>
      <Button className="mt-2" onClick={onReset}>
        {t.showAll}
      </Button>
    </Empty>
  );
}
