import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { BellRing, CircleCheck, SearchX } from "lucide-react";
import { type FormEvent, useState } from "react";
import { acknowledge, said } from "@/api/alerts";
import type { AlertView } from "@/api/openapi";
import { containersQuery, openAlertsQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input } from "@/components/ui/field";
import { Card } from "@/components/ui/section";
import { showDone } from "@/components/ui/toast-store";
import { textsOf, useMessages } from "@/lib/i18n";
import { byUrgency, shownOf } from "./alert-list";
import { AlertRow } from "./alert-row";
import type { AlertsSearch } from "./alerts-search";
import { FilterBar } from "./filter-bar";
import { messages } from "./messages";
import { SilenceDialog } from "./silence-dialog";

interface OpenAlertsProps {
  search: AlertsSearch;
  onSearch: (next: Partial<AlertsSearch>, options?: { replace?: boolean }) => void;
}

/** What is wrong now, with what can be done about it. */
export function OpenAlerts({ search, onSearch }: OpenAlertsProps) {
  const t = useMessages(messages);
  const query = useQuery(openAlertsQuery);
  const containers = useQuery(containersQuery).data?.containers ?? [];
  const [taken, setTaken] = useState<AlertView | null>(null);
  const [silenced, setSilenced] = useState<AlertView | null>(null);
  const take = useAcknowledging();
  const withdraw = (alert: AlertView) => take.mutate({ number: alert.number, comment: "", withdrawn: true });
  return (
    <>
      <FilterBar search={search} onSearch={onSearch} />
      <Card>
        <Loaded query={query} loading={<Loading label={t.loading} rows={6} />}>
          {(alerts) => {
            const shown = shownOf(alerts, search.q ?? "", search.grade).sort(byUrgency);
            if (alerts.length === 0)
              return (
                <Empty icon={<CircleCheck className="size-5" />} title={t.none}>
                  {t.noneHint}
                </Empty>
              );
            if (shown.length === 0)
              return (
                <Empty icon={<SearchX className="size-5" />} title={t.noMatch}>
                  <p>{t.noMatchHint}</p>
                  <Button className="mt-2" onClick={() => onSearch({ q: undefined, grade: undefined })}>
                    {t.everything}
                  </Button>
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
                    onAcknowledge={setTaken}
                    onWithdraw={withdraw}
                    onSilence={setSilenced}
                  />
                ))}
              </ul>
            );
          }}
        </Loaded>
      </Card>
      {taken !== null && (
        <TakeDialog
          alert={taken}
          isPending={take.isPending}
          onClose={() => setTaken(null)}
          onTake={(comment) =>
            take.mutate(
              { number: taken.number, comment, withdrawn: false },
              { onSettled: () => setTaken(null) },
            )
          }
        />
      )}
      {silenced !== null && <SilenceDialog about={silenced} onClose={() => setSilenced(null)} />}
    </>
  );
}

interface Taking {
  number: number;
  comment: string;
  withdrawn: boolean;
}

/** Say that somebody looks after an alert, or no more. The live connection brings the result, too. */
function useAcknowledging() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ number, comment, withdrawn }: Taking) => acknowledge(number, comment, withdrawn),
    onSuccess: (alert, { withdrawn }) => {
      const t = textsOf(messages);
      client.setQueryData(openAlertsQuery.queryKey, (known) =>
        known?.map((each) => (each.number === alert.number ? { ...each, ...alert } : each)),
      );
      showDone(withdrawn ? t.withdrawn(alert.number) : t.acknowledged(alert.number));
    },
  });
}

interface TakeDialogProps {
  alert: AlertView;
  isPending: boolean;
  onTake: (comment: string) => void;
  onClose: () => void;
}

function TakeDialog({ alert, isPending, onTake, onClose }: TakeDialogProps) {
  const t = useMessages(messages);
  const [comment, setComment] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onTake(comment.trim());
  };
  return (
    <Dialog title={t.acknowledgeTitle(said(alert, "text"))} description={t.acknowledgeNote} onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <Field label={`${t.comment} ${t.optional}`} hint={t.commentHint}>
          {(control) => (
            <Input
              {...control}
              value={comment}
              maxLength={600}
              onInput={(event) => setComment(event.currentTarget.value)}
            />
          )}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button type="submit" tone="primary" disabled={isPending}>
            <BellRing aria-hidden className="size-3.5" />
            {t.acknowledge}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
