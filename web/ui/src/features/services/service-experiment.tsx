import { useQuery } from "@tanstack/react-query";
import { FlaskConical } from "lucide-react";
import { Suspense, useState } from "react";
import type { ExperimentView, ServiceDetail, VariantView } from "@/api/openapi";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Empty, Loading } from "@/components/states";
import { Badge, Status, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, Section } from "@/components/ui/section";
import { lazily } from "@/lib/fetched";
import { formatCount, formatMoment, formatShare, parseImage } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { experimentMessages } from "./experiment-messages";
import { pageMessages } from "./page-messages";
import { experimentQuery } from "./service-queries";

const ExperimentWindow = lazily(() => import("./experiment-window"));
const EndExperiment = lazily(() => import("./end-experiment"));

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
  const words = useMessages(experimentMessages);
  const experiment = useQuery(experimentQuery(service.id));
  const [isStarting, setStarting] = useState(false);
  const { data } = experiment;
  const isFree = data !== undefined && (data === null || isOver(data));
  return (
    <Section
      title={t.experiment}
      actions={
        isFree &&
        can("service.start-experiment") && (
          <Button tone="primary" onClick={() => setStarting(true)}>
            <FlaskConical aria-hidden className="size-3.5" />
            {words.start}…
          </Button>
        )
      }
    >
      <Card>
        <Loaded query={experiment} loading={<Loading label={t.loadingExperiment} rows={4} />}>
          {(known) =>
            known === null ? (
              <Empty icon={<FlaskConical className="size-5" />} title={t.noExperiment}>
                {t.noExperimentWords}
              </Empty>
            ) : (
              <Experiment experiment={known} can={can} />
            )
          }
        </Loaded>
      </Card>
      {isStarting && (
        <Suspense fallback={null}>
          <ExperimentWindow
            service={service}
            mayOverride={can("service.override-window")}
            onClose={() => setStarting(false)}
          />
        </Suspense>
      )}
    </Section>
  );
}

function isOver({ state }: ExperimentView): boolean {
  return state === "ended" || state === "failed";
}

function Experiment({ experiment, can }: { experiment: ExperimentView; can: (action: string) => boolean }) {
  const t = useMessages(pageMessages);
  const [keep, setKeep] = useState<"a" | "b" | null>(null);
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
        {!isOver(experiment) && can("service.end-experiment") && (
          <span className="ml-auto flex gap-2">
            {(["a", "b"] as const).map((variant) => (
              <Button key={variant} onClick={() => setKeep(variant)}>
                {t.keep(variant)}…
              </Button>
            ))}
          </span>
        )}
      </div>
      {[experiment.progress, experiment.reason, ...experiment.notes]
        .filter((words) => words !== "")
        .map((words) => (
          <p key={words} className="break-words">
            <Sentence text={words} isCapital />
          </p>
        ))}
      {!isOver(experiment) && (
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
              <span className="min-w-0 flex-1 basis-60 break-words">
                <Sentence text={metric.words} isCapital />
              </span>
              <Badge tone={CONCLUSIONS[metric.conclusion]}>{t.conclusions[metric.conclusion]}</Badge>
            </li>
          ))}
        </ul>
      )}
      {keep !== null && (
        <Suspense fallback={null}>
          <EndExperiment experiment={experiment} keep={keep} onClose={() => setKeep(null)} />
        </Suspense>
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
