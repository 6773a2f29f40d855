import { useQuery } from "@tanstack/react-query";
import { History, SearchX } from "lucide-react";
import { pastAlertsQuery } from "@/api/alerts";
import { containersQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/section";
import { useMessages } from "@/lib/i18n";
import { shownOf } from "./alert-list";
import { AlertRow } from "./alert-row";
import type { AlertsSearch } from "./alerts-search";
import { FilterBar } from "./filter-bar";
import { messages } from "./messages";

interface PastAlertsProps {
  search: AlertsSearch;
  onSearch: (next: Partial<AlertsSearch>, options?: { replace?: boolean }) => void;
}

/** What was wrong and is over. */
export function PastAlerts({ search, onSearch }: PastAlertsProps) {
  const t = useMessages(messages);
  const query = useQuery(pastAlertsQuery);
  const containers = useQuery(containersQuery).data?.containers ?? [];
  return (
    <>
      <FilterBar search={search} onSearch={onSearch} />
      <Card>
        <Loaded query={query} loading={<Loading label={t.loading} rows={6} />}>
          {(alerts) => {
            const shown = shownOf(alerts, search.q ?? "", search.grade);
            if (alerts.length === 0)
              return (
                <Empty icon={<History className="size-5" />} title={t.pastNone}>
                  {t.pastNoneHint}
                </Empty>
              );
            if (shown.length === 0)
              return (
                <Empty icon={<SearchX className="size-5" />} title={t.noMatch}>
                  <Button onClick={() => onSearch({ q: undefined, grade: undefined })}>{t.everything}</Button>
                </Empty>
              );
            return (
              <ul className="divide-y divide-line">
                {shown.map((alert) => (
                  <AlertRow
                    key={alert.number}
                    alert={alert}
                    containers={containers}
                    isPointedAt={search.alert === alert.number}
                  />
                ))}
              </ul>
            );
          }}
        </Loaded>
      </Card>
    </>
  );
}
