import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useId, useState } from "react";
import type { CleanupItem, CleanupOutcome, CleanupView } from "@/api/openapi";
import { ApiError } from "@/api/problem";
import { clusterQuery } from "@/api/queries";
import { Sentence } from "@/components/sentence";
import { Failed, Loading } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input, Select } from "@/components/ui/field";
import { useDebounced } from "@/lib/debounced";
import { formatBytes, parseImage } from "@/lib/format";
import { translated, useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { type CleanupWish, clean, type Kind, RESOURCES_KEY } from "./resource-queries";

const KEEP_DEFAULT = 3;
const KEEP_MAX = 20;
const DAY_S = 86_400;
const SETTLE_MS = 400;

interface CleanupWindowProps {
  kind: Kind;
  /** By name; "" for every host. */
  host: string;
  volumes: { node: string; name: string }[];
  onClose: () => void;
}

/** What would go, how much that frees, what stays and why; then exactly that, and what became of it. */
export default function CleanupWindow({ kind, host, volumes, onClose }: CleanupWindowProps) {
  const t = useMessages(messages);
  const client = useQueryClient();
  const [wish, setWish] = useState<CleanupWish>({
    nodes: host === "" ? [] : [host],
    ...(kind === "volumes" ? { volumes } : {}),
  });
  const settled = useDebounced(wish, SETTLE_MS);
  const plan = useQuery({
    queryKey: ["cleanup", kind, settled],
    queryFn: () => clean(kind, settled, null),
    // A plan is made when somebody looks at it, and not kept for the next time.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    retry: false,
  });
  const carrying = useMutation({
    mutationFn: (token: string) => clean(kind, settled, token),
    onSettled: () => client.invalidateQueries({ queryKey: RESOURCES_KEY }),
  });
  const done = carrying.data;
  const isLooking = plan.isFetching || wish !== settled;
  return (
    <Dialog title={t.clean.title[kind]} description={t.clean.note[kind]} isWide onClose={onClose}>
      {done !== undefined ? (
        <Done kind={kind} done={done} />
      ) : (
        <>
          {kind !== "volumes" && <Wishes kind={kind} wish={wish} onWish={setWish} />}
          {plan.isError ? (
            <Failed error={plan.error} onRetry={() => void plan.refetch()} />
          ) : plan.data === undefined || isLooking ? (
            <Loading label={t.clean.looking} rows={5} className="min-h-56" />
          ) : (
            <Planned kind={kind} plan={plan.data} />
          )}
        </>
      )}
      <div className="mt-5 flex flex-wrap items-center justify-end gap-2">
        {done === undefined && carrying.error instanceof ApiError && (
          <Button onClick={() => void plan.refetch()}>{t.clean.again}</Button>
        )}
        <Button onClick={onClose}>{done === undefined ? t.cancel : t.close}</Button>
        {done === undefined && (
          <Button
            tone="danger"
            disabled={isLooking || carrying.isPending || (plan.data?.items.length ?? 0) === 0}
            onClick={() => plan.data?.plan != null && carrying.mutate(plan.data.plan)}
          >
            {carrying.isPending ? t.clean.working : t.clean.verb(plan.data?.items.length ?? 0)}
          </Button>
        )}
      </div>
    </Dialog>
  );
}

interface WishesProps {
  kind: Kind;
  wish: CleanupWish;
  onWish: (wish: CleanupWish) => void;
}

function Wishes({ kind, wish, onWish }: WishesProps) {
  const t = useMessages(messages);
  const untagged = useId();
  const { data: cluster } = useQuery(clusterQuery);
  const hosts = cluster?.nodes.filter((node) => node.status !== "left").map(({ name }) => name) ?? [];
  return (
    <div className="mb-4 grid gap-3 sm:grid-cols-3">
      <Field label={t.host}>
        {(control) => (
          <Select
            {...control}
            value={wish.nodes[0] ?? ""}
            onChange={({ currentTarget: { value } }) =>
              onWish({ ...wish, nodes: value === "" ? [] : [value] })
            }
          >
            <option value="">{t.allHosts}</option>
            {hosts.map((host) => (
              <option key={host} value={host}>
                {host}
              </option>
            ))}
          </Select>
        )}
      </Field>
      {kind === "images" && (
        <>
          <Field label={t.clean.keepRevisions}>
            {(control) => (
              <Input
                {...control}
                type="number"
                min={1}
                max={KEEP_MAX}
                value={wish.keep_revisions ?? KEEP_DEFAULT}
                onInput={({ currentTarget: { valueAsNumber } }) =>
                  onWish({ ...wish, keep_revisions: within(valueAsNumber, 1, KEEP_MAX, KEEP_DEFAULT) })
                }
              />
            )}
          </Field>
          <Field label={t.clean.olderThan}>
            {(control) => (
              <Input
                {...control}
                type="number"
                min={0}
                max={3_650}
                value={(wish.older_than_s ?? 0) / DAY_S}
                onInput={({ currentTarget: { valueAsNumber } }) =>
                  onWish({ ...wish, older_than_s: within(valueAsNumber, 0, 3_650, 0) * DAY_S })
                }
              />
            )}
          </Field>
          <label htmlFor={untagged} className="flex items-center gap-2 text-sm sm:col-span-3">
            <input
              id={untagged}
              type="checkbox"
              className="size-3.5 accent-accent"
              checked={wish.only_untagged ?? false}
              onChange={({ currentTarget: { checked } }) => onWish({ ...wish, only_untagged: checked })}
            />
            {t.clean.onlyUntagged}
          </label>
        </>
      )}
    </div>
  );
}

function within(value: number, min: number, max: number, otherwise: number): number {
  return Number.isFinite(value) ? Math.min(max, Math.max(min, Math.floor(value))) : otherwise;
}

function Planned({ kind, plan }: { kind: Kind; plan: CleanupView }) {
  const t = useMessages(messages);
  return (
    <div className="flex min-h-56 flex-col gap-3 text-sm">
      {plan.problems.map((problem) => (
        <p key={problem.node_id} className="text-warn">
          {problem.node_name}: <Sentence text={problem.reason} />
        </p>
      ))}
      {plan.items.length === 0 ? (
        <p role="status">{t.clean.nothing}</p>
      ) : (
        <>
          <p role="status" className="text-base font-medium">
            {t.clean.count[kind](plan.items.length, formatBytes(plan.bytes))}
          </p>
          <Items items={plan.items} />
          <p className="text-muted">
            {t.clean.exact} {plan.left_over > 0 && t.clean.leftOver(plan.left_over)}
          </p>
        </>
      )}
      {plan.kept.length > 0 && (
        <details>
          <summary className="text-muted">{t.clean.kept(plan.kept.length)}</summary>
          <div className="mt-2">
            <Items items={plan.kept} />
          </div>
        </details>
      )}
    </div>
  );
}

function Done({ kind, done }: { kind: Kind; done: CleanupView }) {
  const t = useMessages(messages);
  const removed = done.items.filter(({ outcome }) => outcome === "removed").length;
  return (
    <div className="flex min-h-56 flex-col gap-3 text-sm">
      <p role="status" className="text-base font-medium">
        {t.clean.done[kind](removed, formatBytes(done.bytes))}
      </p>
      {done.gone > 0 && <p className="text-muted">{t.clean.gone(done.gone)}</p>}
      <Items items={done.items} isDone />
    </div>
  );
}

const TONES: Record<CleanupOutcome, "ok" | "warn" | "bad" | "neutral"> = {
  planned: "neutral",
  removed: "ok",
  kept: "warn",
  failed: "bad",
};

/** Without the registry of an image: what is left is what tells them apart. */
function shortName({ kind, name }: CleanupItem): string {
  if (kind !== "image") return name;
  const { short, tag } = parseImage(name);
  return tag === "" ? short : `${short}:${tag}`;
}

/** What failed first: the rest is as it was asked for. */
function Items({ items, isDone = false }: { items: readonly CleanupItem[]; isDone?: boolean }) {
  const t = useMessages(messages);
  const sorted = [...items].sort(
    (a, b) =>
      Number(b.outcome === "failed") - Number(a.outcome === "failed") || (b.bytes ?? 0) - (a.bytes ?? 0),
  );
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached with the keyboard
    <div tabIndex={0} className="max-h-[40vh] overflow-y-auto rounded-md border border-line">
      <table className="w-full table-fixed">
        <colgroup>
          <col />
          <col className="w-16 max-sm:w-12" />
          <col className="w-22" />
          <col className="w-[36%] max-sm:w-0" />
        </colgroup>
        <thead className="sr-only">
          <tr>
            <th scope="col">{t.name}</th>
            <th scope="col">{t.host}</th>
            <th scope="col">{t.size}</th>
            <th scope="col">{t.clean.why}</th>
          </tr>
        </thead>
        <tbody>
          {sorted.map((item) => {
            const why = translated(item.why, item.translations);
            return (
              <tr key={`${item.node_id} ${item.id}`} className="border-t border-line first:border-t-0">
                <th scope="row" title={item.name} className="truncate px-3 py-1.5 text-left font-medium">
                  {shortName(item)}
                  <span className="block truncate text-xs font-normal text-muted sm:hidden">
                    {isDone ? <Outcome item={item} /> : why}
                  </span>
                </th>
                <td className="w-16 truncate px-2 py-1.5 text-muted">{item.node_name}</td>
                <td className="tabular w-22 px-2 py-1.5 text-right">
                  {item.kind === "network" ? "" : formatBytes(item.bytes)}
                </td>
                <td className="px-3 py-1.5 text-muted max-sm:hidden">
                  {isDone ? <Outcome item={item} /> : <span title={why}>{why}</span>}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** What became of it, and why where it is still there. */
function Outcome({ item }: { item: CleanupItem }) {
  const t = useMessages(messages);
  return (
    <>
      <Status tone={TONES[item.outcome]}>{t.clean.outcomes[item.outcome]}</Status>
      {item.outcome !== "removed" && (
        <span className="block text-xs break-words whitespace-normal">
          {translated(item.why, item.translations)}
        </span>
      )}
    </>
  );
}
