import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { BellOff } from "lucide-react";
import { useState } from "react";
import { endSilence, silencesQuery } from "@/api/alerts";
import type { SilenceSettings, SilenceView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { openAlertsQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Card } from "@/components/ui/section";
import { showDone } from "@/components/ui/toast-store";
import { formatDuration, formatMoment } from "@/lib/format";
import { textsOf, useMessages } from "@/lib/i18n";
import { messages } from "./messages";

/** What nobody is told of for now, by whom and why. */
export function Silences() {
  const t = useMessages(messages);
  const can = useCan();
  const client = useQueryClient();
  const query = useQuery(silencesQuery);
  const [ended, setEnded] = useState<SilenceView | null>(null);
  const end = useMutation({
    mutationFn: (silence: SilenceView) => endSilence(silence.id),
    onSuccess: () => showDone(textsOf(messages).ended),
    onSettled: () => {
      setEnded(null);
      void client.invalidateQueries({ queryKey: openAlertsQuery.queryKey });
      return client.invalidateQueries({ queryKey: silencesQuery.queryKey });
    },
  });
  return (
    <Card>
      <Loaded query={query} loading={<Loading label={t.loading} rows={4} />}>
        {(silences) =>
          silences.length === 0 ? (
            <Empty icon={<BellOff className="size-5" />} title={t.silencesNone}>
              {t.silencesNoneHint}
            </Empty>
          ) : (
            <ul className="divide-y divide-line">
              {silences.map((silence) => (
                <li key={silence.id} className="flex flex-wrap items-start gap-x-4 gap-y-2 px-4 py-3">
                  <div className="min-w-0 flex-1 basis-72">
                    <p className="font-medium break-words">{silence.settings.comment}</p>
                    <p className="text-sm break-words text-muted">{scopeText(silence.settings)}</p>
                    <p className="tabular mt-1 flex flex-wrap items-center gap-x-2.5 gap-y-1 text-xs text-muted">
                      <Badge tone={silence.is_in_force ? "accent" : "neutral"}>
                        {silence.is_in_force ? t.inForce : t.toCome}
                      </Badge>
                      {silence.settings.cron !== "" && (
                        <span>
                          {t.comesRound(
                            silence.settings.cron,
                            silence.settings.time_zone,
                            formatDuration(silence.settings.duration_s * 1000),
                          )}
                        </span>
                      )}
                      <span>
                        {t.until} {formatMoment(silence.until_ms)}
                      </span>
                      <span>{t.byWhom(silence.by)}</span>
                      {silence.alerts.length > 0 && <span>{t.quiet(silence.alerts.length)}</span>}
                    </p>
                  </div>
                  {can("silence.end") && <Button onClick={() => setEnded(silence)}>{t.endSilence}</Button>}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      {ended !== null && (
        <Confirm
          title={t.endTitle}
          verb={t.endSilence}
          isDangerous={false}
          isPending={end.isPending}
          onConfirm={() => end.mutate(ended)}
          onCancel={() => setEnded(null)}
        >
          <p>
            {ended.settings.comment}. {t.endNote}
          </p>
        </Confirm>
      )}
    </Card>
  );
}

/** What a silence is of, in words. */
function scopeText(settings: SilenceSettings): string {
  const t = textsOf(messages);
  const parts: [string, readonly string[]][] = [
    [t.scopeRules, settings.rules],
    [t.scopeSeverities, settings.severities],
    [t.scopeKinds, settings.kinds],
    [t.scopeHosts, settings.hosts],
    [t.scopeServices, settings.services],
    [t.scopeEnvironments, settings.environments],
    [t.scopeNames, settings.names],
  ];
  const said = parts
    .filter(([, items]) => items.length > 0)
    .map(([word, items]) => `${word}: ${items.join(", ")}`);
  const labels = Object.entries(settings.match).map(([key, value]) => `${key}=${value}`);
  return [...said, ...labels].join(" · ") || t.everythingElse;
}
