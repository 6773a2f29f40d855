import { useMutation, useQuery } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { PlacementView, RebalanceView, ServiceDetail } from "@/api/openapi";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Loading } from "@/components/states";
import { Status, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, Section } from "@/components/ui/section";
import { showDone } from "@/components/ui/toast-store";
import { capital } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { useSentences } from "@/lib/sentences";
import { pageMessages } from "./page-messages";
import { useRefresh } from "./service-actions";
import { placementQuery } from "./service-queries";

const VERDICTS: Record<PlacementView["hosts"][number]["verdict"], Tone> = {
  chosen: "accent",
  possible: "ok",
  refused: "neutral",
};

/** Why its replicas are where they are, and where the next one would go. */
export function ServicePlacement({
  service,
  can,
}: {
  service: ServiceDetail;
  can: (action: string) => boolean;
}) {
  const say = useSentences();
  const t = useMessages(pageMessages);
  const placement = useQuery(placementQuery(service.id));
  const refresh = useRefresh();
  const spreading = useMutation({
    mutationFn: () =>
      request<RebalanceView>("/rebalance", { method: "POST", body: { service: service.id, dry_run: false } }),
    onSuccess: (answer) => showDone(answer.started === null ? t.rebalanceNothing : t.rebalanced),
    onSettled: refresh,
  });
  return (
    <Loaded
      query={placement}
      loading={
        <Card>
          <Loading label={t.loadingPlacement} rows={6} />
        </Card>
      }
    >
      {(known) => (
        <div className="grid items-start gap-6 xl:grid-cols-2">
          <Section
            title={t.whyThere}
            actions={
              can("service.rebalance") && (
                <Button disabled={spreading.isPending} onClick={() => spreading.mutate()}>
                  {t.rebalance}
                </Button>
              )
            }
          >
            <Card>
              <ul className="divide-y divide-line text-sm">
                {known.replicas.map((replica) => (
                  <li key={replica.ordinal} className="flex gap-4 px-4 py-2.5">
                    <span className="tabular w-28 shrink-0">
                      <span className="font-medium">{replica.node_name}</span>
                      <span className="block text-xs text-muted">
                        {t.replica} {replica.ordinal}
                      </span>
                    </span>
                    <div className="min-w-0 flex-1">
                      {replica.reasons.map((reason) => (
                        <p key={reason} className="break-words">
                          <Sentence text={reason} isCapital />
                        </p>
                      ))}
                      {replica.objections.map((objection) => (
                        <p key={objection} className="break-words text-warn">
                          <Sentence text={objection} isCapital />
                        </p>
                      ))}
                    </div>
                  </li>
                ))}
              </ul>
            </Card>
          </Section>
          <div className="flex min-w-0 flex-col gap-6">
            <Section title={t.hostsFor}>
              <Card>
                {known.refusal !== "" && (
                  <p className="border-b border-line px-4 py-2.5 text-sm text-warn">
                    <Sentence text={known.refusal} isCapital />
                  </p>
                )}
                <ul className="divide-y divide-line text-sm">
                  {known.hosts.map((host) => (
                    <li key={host.node_id} className="flex flex-wrap items-baseline gap-x-4 px-4 py-2.5">
                      <span className="w-24 min-w-0 truncate font-medium">{host.node_name}</span>
                      <span className="w-24">
                        <Status tone={VERDICTS[host.verdict]}>{t.verdicts[host.verdict]}</Status>
                      </span>
                      <span className="min-w-0 flex-1 basis-40 break-words text-muted">
                        {host.reasons.map(say).map(capital).join(", ")}
                      </span>
                    </li>
                  ))}
                </ul>
              </Card>
            </Section>
            <Section title={t.rules}>
              <Card className="p-4 text-sm">
                {known.rules.length === 0 ? (
                  <p className="text-muted">{t.noRules}</p>
                ) : (
                  <ul className="flex flex-col gap-1">
                    {known.rules.map((rule) => (
                      <li key={rule} className="break-words">
                        <Sentence text={rule} isCapital />
                      </li>
                    ))}
                  </ul>
                )}
              </Card>
            </Section>
          </div>
        </div>
      )}
    </Loaded>
  );
}
