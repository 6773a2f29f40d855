import { useInfiniteQuery } from "@tanstack/react-query";
import { Download, SearchX } from "lucide-react";
import { Suspense, useEffect, useState } from "react";
import type { AuditView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Empty, Failed, Loading } from "@/components/states";
import { OUTCOME_TONES } from "@/components/tones";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Field, Input, Select } from "@/components/ui/field";
import { MenuButton } from "@/components/ui/menu-button";
import { Card, Section } from "@/components/ui/section";
import { useDebounced } from "@/lib/debounced";
import { lazily } from "@/lib/fetched";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { type AuditSearch, auditQuery, OUTCOMES, type Outcome, useDownload } from "./audit-queries";
import { Chain } from "./chain";
import { messages } from "./messages";

const EntrySheet = lazily(() => import("./entry-sheet"));

const SETTLE_MS = 300;
interface AuditPageProps {
  search: AuditSearch;
  /** The entry whose details are open. */
  opened: number | undefined;
  onSearch: (next: Partial<AuditSearch>) => void;
  onOpen: (sequence: number | undefined) => void;
}

/** Who did what, what was refused, and whether the record of it is whole. */
export function AuditEntries({ search, opened, onSearch, onOpen }: AuditPageProps) {
  const t = useMessages(messages);
  const can = useCan();
  const query = useInfiniteQuery(auditQuery(search));
  const download = useDownload();
  const entries = query.data?.pages.flatMap((page) => page.items) ?? [];
  const found = entries.find((entry) => entry.sequence === opened);
  return (
    <div className="flex flex-col gap-6">
      <Chain />
      <Section
        title={t.entries}
        actions={
          can("audit.export") && (
            <MenuButton
              menuLabel={t.downloadLabel}
              disabled={download.isPending}
              groups={[
                [
                  {
                    key: "jsonl",
                    label: t.asLines,
                    onSelect: () => download.mutate({ search, format: "jsonl" }),
                  },
                  {
                    key: "csv",
                    label: t.asTable,
                    onSelect: () => download.mutate({ search, format: "csv" }),
                  },
                ],
              ]}
            >
              <Download aria-hidden className="size-3.5" />
              {t.download}
            </MenuButton>
          )
        }
      >
        <Filters search={search} onSearch={onSearch} />
        <Card className="overflow-x-auto">
          {query.isError && query.data === undefined ? (
            <Failed error={query.error} onRetry={() => void query.refetch()} />
          ) : query.data === undefined ? (
            <Loading label={t.loading} rows={8} />
          ) : entries.length === 0 ? (
            <Empty icon={<SearchX className="size-5" />} title={query.hasNextPage ? t.searchedOn : t.none}>
              <p>{t.noneNote}</p>
            </Empty>
          ) : (
            <Table entries={entries} onOpen={onOpen} />
          )}
        </Card>
        {query.hasNextPage && (
          <Button
            className="mt-3 self-center"
            disabled={query.isFetchingNextPage}
            onClick={() => void query.fetchNextPage()}
          >
            {query.isFetchingNextPage ? t.loadingMore : t.more}
          </Button>
        )}
      </Section>
      <Suspense fallback={null}>
        {found !== undefined && (
          <EntrySheet entry={found} onSearch={onSearch} onClose={() => onOpen(undefined)} />
        )}
      </Suspense>
    </div>
  );
}

function Filters({ search, onSearch }: Pick<AuditPageProps, "search" | "onSearch">) {
  const t = useMessages(messages);
  const isFiltered = Object.values(search).some((value) => value !== undefined && value !== "");
  return (
    <search className="mb-3 flex flex-wrap items-end gap-2">
      <Typed
        label={t.who}
        placeholder={t.anyone}
        value={search.actor}
        onChange={(actor) => onSearch({ actor })}
      />
      <Typed
        label={t.what}
        placeholder={t.whatHint}
        value={search.action}
        onChange={(action) => onSearch({ action })}
      />
      <Typed
        label={t.on}
        placeholder={t.onHint}
        value={search.resource}
        onChange={(resource) => onSearch({ resource })}
      />
      <Field label={t.result}>
        {(control) => (
          <Select
            {...control}
            value={search.outcome ?? ""}
            onChange={(event) => onSearch({ outcome: (event.currentTarget.value as Outcome) || undefined })}
          >
            <option value="">{t.anyResult}</option>
            {OUTCOMES.map((outcome) => (
              <option key={outcome} value={outcome}>
                {t.outcomes[outcome]}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Day label={t.since} value={search.since} onChange={(since) => onSearch({ since })} />
      <Day label={t.until} value={search.until} onChange={(until) => onSearch({ until })} />
      {isFiltered && (
        <Button
          tone="ghost"
          onClick={() =>
            onSearch({
              actor: undefined,
              action: undefined,
              resource: undefined,
              outcome: undefined,
              since: undefined,
              until: undefined,
            })
          }
        >
          {t.clear}
        </Button>
      )}
    </search>
  );
}

interface TypedProps {
  label: string;
  placeholder: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}

/** A filter that is in force when typing has paused. */
function Typed({ label, placeholder, value = "", onChange }: TypedProps) {
  // Null: what is in the address, which links and the button that clears change as well.
  const [draft, setDraft] = useState<string | null>(null);
  const settled = useDebounced(draft, SETTLE_MS);
  useEffect(() => {
    if (settled === null || settled !== draft) return;
    if (settled === value) setDraft(null);
    else onChange(settled || undefined);
  }, [settled, draft, value, onChange]);
  return (
    <div className="min-w-32 flex-1 sm:max-w-56">
      <Field label={label}>
        {(control) => (
          <Input
            {...control}
            className="w-full"
            value={draft ?? value}
            placeholder={placeholder}
            spellCheck={false}
            autoCapitalize="off"
            onChange={(event) => setDraft(event.currentTarget.value)}
          />
        )}
      </Field>
    </div>
  );
}

function Day({ label, value, onChange }: Omit<TypedProps, "placeholder">) {
  return (
    <Field label={label}>
      {(control) => (
        <Input
          {...control}
          type="date"
          value={value ?? ""}
          onChange={(event) => onChange(event.currentTarget.value || undefined)}
        />
      )}
    </Field>
  );
}

function Table({ entries, onOpen }: { entries: readonly AuditView[]; onOpen: (sequence: number) => void }) {
  const t = useMessages(messages);
  return (
    <table className="w-full text-sm max-md:block">
      <thead className="max-md:hidden">
        <tr className="border-b border-line text-left text-muted">
          {[t.when, t.who, t.what, t.on, t.result, t.from].map((title) => (
            <th key={title} scope="col" className="px-4 py-2 font-normal whitespace-nowrap">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody className="divide-y divide-line max-md:block">
        {entries.map((entry) => (
          <tr
            key={entry.sequence}
            className="hover:bg-hover max-md:flex max-md:flex-wrap max-md:items-baseline max-md:gap-x-3 max-md:px-4 max-md:py-2"
          >
            <td className="tabular whitespace-nowrap text-muted md:px-4 md:py-1.5">
              {formatMoment(entry.at_ms)}
            </td>
            <td className="md:px-4 md:py-1.5">
              {entry.actor || <span className="text-muted">{t.stranger}</span>}
              {entry.count > 1 && <span className="tabular text-muted"> ({t.times(entry.count)})</span>}
            </td>
            <th scope="row" className="text-left font-normal md:px-4 md:py-1.5">
              <button
                type="button"
                className="font-mono text-xs font-medium text-accent hover:underline"
                aria-label={`${entry.action}: ${t.open(entry.sequence)}`}
                onClick={() => onOpen(entry.sequence)}
              >
                {entry.action}
              </button>
            </th>
            <td className="max-w-80 font-mono text-xs break-all md:px-4 md:py-1.5">{entry.resource}</td>
            <td className="md:px-4 md:py-1.5">
              <Status tone={OUTCOME_TONES[entry.outcome] ?? "neutral"}>
                {t.outcomes[entry.outcome as Outcome] ?? entry.outcome}
              </Status>
            </td>
            <td className="tabular text-muted md:px-4 md:py-1.5">{entry.ip}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
