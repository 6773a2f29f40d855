import { useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { useCan } from "@/api/permissions";
import { openAlertsQuery } from "@/api/queries";
import { Page } from "@/components/page";
import { usePageSearch } from "@/components/page-search";
import { Button } from "@/components/ui/button";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/lib/i18n";
import { parseSearch, TABS } from "./alerts-search";
import { messages } from "./messages";
import { OpenAlerts } from "./open-alerts";
import { PastAlerts } from "./past-alerts";
import { RuleSheet } from "./rule-sheet";
import { Rules } from "./rules";
import { SilenceDialog } from "./silence-dialog";
import { Silences } from "./silences";

/** What is wrong and was, what people are told of, and what they are not told of for now. */
export function AlertsPage() {
  const t = useMessages(messages);
  const can = useCan();
  const [search, change] = usePageSearch(parseSearch);
  const [isSilencing, setSilencing] = useState(false);
  const open = useQuery(openAlertsQuery);
  const tab = search.tab ?? "open";
  return (
    <Page
      title={t.title}
      note={open.data !== undefined && open.data.length > 0 ? t.count(open.data.length) : undefined}
      actions={
        <>
          {tab === "rules" && can("alert-rule.put") && (
            <Button onClick={() => change({ rule: "" })}>
              <Plus aria-hidden className="size-3.5" />
              {t.newRule}
            </Button>
          )}
          {tab === "silences" && can("silence.put") && (
            <Button onClick={() => setSilencing(true)}>
              <Plus aria-hidden className="size-3.5" />
              {t.newSilence}
            </Button>
          )}
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <Segmented
          label={t.view}
          value={tab}
          onChange={(next) => change({ tab: next === "open" ? undefined : next, q: undefined })}
          options={TABS.map((value) => ({ value, label: t.tabs[value] }))}
          className="self-start"
        />
        {tab === "open" && <OpenAlerts search={search} onSearch={change} />}
        {tab === "past" && <PastAlerts search={search} onSearch={change} />}
        {tab === "rules" && <Rules search={search} onSearch={change} />}
        {tab === "silences" && <Silences />}
      </div>
      {search.rule !== undefined && (
        <RuleSheet name={search.rule} onClose={() => change({ rule: undefined })} />
      )}
      {isSilencing && <SilenceDialog about={null} onClose={() => setSilencing(false)} />}
    </Page>
  );
}
