import { useCallback } from "react";
import { Page } from "@/components/page";
import { oneIn, textIn, usePageSearch, wholeIn } from "@/components/page-search";
import { AuditEntries } from "@/features/audit/audit-page";
import { type AuditSearch, OUTCOMES } from "@/features/audit/audit-queries";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Audit" }, it: { title: "Registro delle azioni" } });

export interface AuditPageSearch extends AuditSearch {
  /** The entry whose details are open, by its number. */
  entry?: number | undefined;
}

function parse(raw: Record<string, unknown>): AuditPageSearch {
  return {
    actor: textIn(raw.actor),
    action: textIn(raw.action),
    resource: textIn(raw.resource),
    outcome: oneIn(OUTCOMES, raw.outcome),
    since: textIn(raw.since),
    until: textIn(raw.until),
    entry: wholeIn(raw.entry, 0),
  };
}

/** Who did what in the cluster, and what was refused. */
export function AuditRoute() {
  const t = useMessages(messages);
  const [{ entry, ...search }, change] = usePageSearch(parse);
  const onSearch = useCallback(
    (next: Partial<AuditSearch>) => change({ ...next, entry: undefined }, { replace: true }),
    [change],
  );
  return (
    <Page title={t.title}>
      <AuditEntries
        search={search}
        opened={entry}
        onSearch={onSearch}
        onOpen={(sequence) => change({ entry: sequence })}
      />
    </Page>
  );
}
