import { useMutation, useQuery } from "@tanstack/react-query";
import { FlaskConical } from "lucide-react";
import { useState } from "react";
import { request } from "@/api/client";
import type { ExperimentView, ServiceDetail, VariantView } from "@/api/openapi";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Badge, Status, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Card, Section } from "@/components/ui/section";
import { capital, formatCount, formatMoment, formatShare, parseImage } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { pageMessages } from "./page-messages";
import { useRefresh } from "./service-actions";
import { experimentQuery } from "./service-queries";

const STATES: Record<ExperimentView["state"], Tone> = {
  starting: "accent",
  switching: "accent",
  running: "accent",
  interrupted: "warn",
  ending: "accent",
  ended: "neutral",
  failed: "bad",
};
const CONCLUSIONS = { better: "ok", worse: "bad", undecided: "neutral", "no-data": "neutral" } as const;

/** The newest experiment of a service, and how its variants compare. */
export function ServiceExperiment({
  service,
  can,
}: {
  service: ServiceDetail;
  can: (action: string) => boolean;
}) {
  const t = useMessages(pageMessages);
  const experiment = useQuery(experimentQuery(service.id));
  return (
    <Section title={t.experiment}>
      <Card>
        <Loaded query={experiment} loading={<Loading label={t.loadingExperiment} rows={4} />}>
          {(known) =>
            known === null ? (
              <Empty icon={<FlaskConical className="size-5" />} title={t.noExperiment}>
                {t.noExperimentWords}{" "}
                <code className="font-mono">
                  tower experiment start {service.id} --image IMAGE --share 20%
                </code>
              </Empty>
            ) : (
              <Experiment experiment={known} can={can} />
            )
          }
        </Loaded>
      </Card>
    </Section>
  );
}

function Experiment({ experiment, can }: { experiment: ExperimentView; can: (action: string) => boolean }) {
  const t = useMessages(pageMessages);
  const refresh = useRefresh();
  const [keep, setKeep] = useState<"a" | "b" | null>(null);
  const ending = useMutation({
    mutationFn: (kept: "a" | "b") =>
      request(`/services/${encodeURIComponent(experiment.service_id)}/experiment/end`, {
        method: "POST",
        body: { keep: kept },
      }),
    onSettled: () => {
      setKeep(null);
      return refresh();
    },
  });
  const isOver = experiment.state === "ended" || experiment.state === "failed";
  const matches = experiment.matches.map(({ kind, name, value }) => `${kind} ${name}: ${value}`).join(", ");
  return (
    <div className="flex flex-col gap-4 p-4 text-sm">
      <div className="flex flex-wrap items-center gap-3">
        <Status tone={STATES[experiment.state]}>{t.experimentStates[experiment.state]}</Status>
        <span className="text-muted">
          {[
            t.shareOfB(formatShare(experiment.permille)),
            matches === "" ? "" : t.matches(matches),
            experiment.is_sticky ? t.sticky : "",
          ]
            .filter(Boolean)
            .join(" · ")}
        </span>
        {!isOver && can("service.end-experiment") && (
          <span className="ml-auto flex gap-2">
            {(["a", "b"] as const).map((variant) => (
              <Button key={variant} disabled={ending.isPending} onClick={() => setKeep(variant)}>
                {t.keep(variant)}
              </Button>
            ))}
          </span>
        )}
      </div>
      {[experiment.progress, experiment.reason, ...experiment.notes]
        .filter((words) => words !== "")
        .map((words) => (
          <p key={words} className="break-words">
            {capital(words)}
          </p>
        ))}
      {!isOver && (
        <p className="text-muted">
          {experiment.ends_at_ms === null
            ? t.endsByHand
            : t.endsAt(formatMoment(experiment.ends_at_ms), experiment.keep_at_end)}
        </p>
      )}
      {experiment.kept !== null && <p>{t.keptVariant(experiment.kept, experiment.ended_by)}</p>}
      <div className="grid gap-3 sm:grid-cols-2">
        <VariantCard name="a" variant={experiment.a} requests={experiment.comparison?.a_requests} />
        <VariantCard name="b" variant={experiment.b} requests={experiment.comparison?.b_requests} />
      </div>
      {experiment.comparison !== null && (
        <ul className="flex flex-col divide-y divide-line border-t border-line">
          {experiment.comparison.metrics.map((metric) => (
            <li key={metric.metric} className="flex flex-wrap items-baseline gap-x-4 gap-y-1 py-2">
              <span className="min-w-0 flex-1 basis-60 break-words">{capital(metric.words)}</span>
              <Badge tone={CONCLUSIONS[metric.conclusion]}>{t.conclusions[metric.conclusion]}</Badge>
            </li>
          ))}
        </ul>
      )}
      {keep !== null && (
        <Confirm
          title={`${t.keep(keep)}?`}
          verb={t.keep(keep)}
          isDangerous
          isPending={ending.isPending}
          onConfirm={() => ending.mutate(keep)}
          onCancel={() => setKeep(null)}
        >
          <p>{t.keepWords(keep, experiment[keep].revision)}</p>
        </Confirm>
      )}
    </div>
  );
}

function VariantCard({
  name,
  variant,
  requests,
}: {
  name: string;
  variant: VariantView;
  requests: number | undefined;
}) {
  const t = useMessages(pageMessages);
  const image = parseImage(variant.image);
  return (
    <div className="rounded-md border border-line px-3 py-2">
      <p className="font-medium">{t.variant(name)}</p>
      <p className="tabular break-words text-muted">
        {image.short}
        {image.tag !== "" && `:${image.tag}`} · {t.pieceRevision(variant.revision)} ·{" "}
        {t.replicas.toLowerCase()} {formatCount(variant.replicas)}
        {requests !== undefined && ` · ${t.requests.toLowerCase()} ${formatCount(requests)}`}
      </p>
    </div>
  );
}
