import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Suspense, useState } from "react";
import type { AttemptView, HistoryEntry, ServiceDetail } from "@/api/openapi";
import { canOn } from "@/api/permissions";
import { FieldChanges } from "@/components/field-changes";
import { Loaded } from "@/components/loaded";
import { Loading } from "@/components/states";
import { ROLLOUT_TONES } from "@/components/tones";
import { Badge, Status, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Select } from "@/components/ui/field";
import { Card, Section } from "@/components/ui/section";
import { useNow } from "@/lib/clock";
import { lazily } from "@/lib/fetched";
import { capital, formatAge, formatCount, formatMoment, parseImage } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { messages } from "./messages";
import { pageMessages } from "./page-messages";
import { VERBS } from "./service-actions";
import type { Actions } from "./service-asking";
import { historyQuery } from "./service-queries";

const CompareSheet = lazily(() => import("./compare-sheet"));

interface Compared {
  before: number;
  after: number;
}

interface ServiceHistoryProps {
  service: ServiceDetail;
  actions: Actions;
  compared: Compared | undefined;
  onCompare: (compared: Compared | undefined) => void;
}

/** The revisions that are remembered: who made them, what they changed, and what became of them. */
export function ServiceHistory({ service, actions, compared, onCompare }: ServiceHistoryProps) {
  const t = useMessages(pageMessages);
  const history = useQuery(historyQuery(service.id));
  const numbers = history.data?.revisions.map(({ revision }) => revision) ?? [];
  return (
    <Section
      title={t.revisions}
      note={numbers.length > 0 ? formatCount(numbers.length) : undefined}
      actions={
        numbers.length > 1 && (
          <CompareChoice
            numbers={numbers}
            // What its list of changes is against; where that is forgotten, the one before.
            against={history.data?.revisions[0]?.compared_with || (numbers[1] ?? 1)}
            onCompare={onCompare}
          />
        )
      }
    >
      <Card className="overflow-hidden">
        <Loaded query={history} loading={<Loading label={t.loadingHistory} rows={6} />}>
          {(known) => (
            <ol className="divide-y divide-line">
              {known.revisions.map((entry) => (
                <Revision key={entry.revision} service={service} entry={entry} actions={actions} />
              ))}
            </ol>
          )}
        </Loaded>
      </Card>
      {compared !== undefined && (
        <Suspense fallback={null}>
          <CompareSheet
            service={service.id}
            before={compared.before}
            after={compared.after}
            onClose={() => onCompare(undefined)}
          />
        </Suspense>
      )}
    </Section>
  );
}

function CompareChoice({
  numbers,
  against,
  onCompare,
}: {
  numbers: readonly number[];
  against: number;
  onCompare: (compared: Compared) => void;
}) {
  const t = useMessages(pageMessages);
  const [after, setAfter] = useState(numbers[0] ?? 1);
  const [before, setBefore] = useState(against);
  const options = numbers.map((number) => (
    <option key={number} value={number}>
      {t.pieceRevision(number)}
    </option>
  ));
  return (
    <form
      className="flex flex-wrap items-center gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        onCompare({ before, after });
      }}
    >
      <Select
        aria-label={t.compareBefore}
        value={after}
        onChange={(event) => setAfter(Number(event.currentTarget.value))}
      >
        {options}
      </Select>
      <span className="text-sm text-muted">{t.compareAfter}</span>
      <Select
        aria-label={t.compareAfter}
        value={before}
        onChange={(event) => setBefore(Number(event.currentTarget.value))}
      >
        {options}
      </Select>
      <Button type="submit" disabled={before === after}>
        {t.compareWith}
      </Button>
    </form>
  );
}

const STATES: Record<string, Tone> = {
  stable: "ok",
  "rolling-out": "accent",
  kept: "accent",
  "was-stable": "neutral",
  failed: "bad",
  "never-run": "neutral",
};

function Revision({
  service,
  entry,
  actions,
}: {
  service: ServiceDetail;
  entry: HistoryEntry;
  actions: Actions;
}) {
  const t = useMessages(pageMessages);
  const now = useNow();
  const image = parseImage(entry.image);
  const state = t.revisionStates[entry.state as keyof typeof t.revisionStates] ?? entry.state;
  const canGoBack =
    (entry.state === "was-stable" || entry.state === "kept") &&
    entry.revision !== service.stable_revision &&
    service.status !== "removing" &&
    canOn(service, actions.can)(VERBS.rollback.permission);
  return (
    <li className="flex flex-col gap-2 px-4 py-3">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <h3 className="tabular text-base font-semibold">{capital(t.pieceRevision(entry.revision))}</h3>
        <Badge tone={STATES[entry.state] ?? "neutral"}>{state}</Badge>
        <span className="min-w-0 text-sm break-words text-muted" title={entry.digest}>
          {image.short}
          {image.tag !== "" && `:${image.tag}`}
        </span>
        <span className="tabular ml-auto text-sm text-muted" title={formatMoment(entry.created_at_ms)}>
          {[entry.created_by === "" ? "" : t.by(entry.created_by), formatAge(entry.created_at_ms, now)]
            .filter(Boolean)
            .join(" · ")}
        </span>
      </div>
      {entry.promoted_from !== "" && (
        <p className="text-sm text-muted">{t.promotedFrom(entry.promoted_from)}</p>
      )}
      {entry.attempts.length > 0 && (
        <ul aria-label={t.attempts} className="flex flex-col gap-1 text-sm">
          {entry.attempts.map((attempt) => (
            <Attempt key={attempt.rollout_id} attempt={attempt} />
          ))}
        </ul>
      )}
      <div className="flex flex-wrap items-start justify-between gap-3">
        <div className="min-w-0 flex-1 basis-72">
          {entry.compared_with === 0 ? (
            <p className="text-sm text-muted">{t.firstRevision}</p>
          ) : entry.changes.length === 0 ? (
            <p className="text-sm text-muted">{t.noChanges}</p>
          ) : (
            <details className="text-sm">
              <summary className="w-fit py-0.5 text-accent">
                {t.changesAgainst(entry.changes.length, entry.compared_with)}
              </summary>
              <FieldChanges
                changes={entry.changes}
                label={t.changesAgainst(entry.changes.length, entry.compared_with)}
              />
            </details>
          )}
        </div>
        {canGoBack && (
          <Button onClick={() => actions.onVerb(service, null, "rollback", entry.revision)}>
            {t.backTo(entry.revision)}
          </Button>
        )}
      </div>
    </li>
  );
}

function Attempt({ attempt }: { attempt: AttemptView }) {
  const t = useMessages(pageMessages);
  const base = useMessages(messages);
  const now = useNow();
  const words = [
    t.aims[attempt.aim],
    t.strategies[attempt.strategy],
    attempt.asked_by === "" ? "" : t.by(attempt.asked_by),
    attempt.is_unjudged ? t.unjudged : "",
    attempt.requests === null
      ? ""
      : t.judged(formatCount(attempt.requests), formatCount(attempt.failures ?? 0)),
  ];
  return (
    <li className="flex flex-wrap items-baseline gap-x-3">
      <Status tone={ROLLOUT_TONES[attempt.phase]}>
        <Link
          to="/rollouts/$rollout"
          params={{ rollout: attempt.rollout_id }}
          className="inline-flex min-h-6 items-center font-medium hover:underline"
          title={base.follow}
        >
          {t.ended[attempt.phase]}
        </Link>
      </Status>
      <span className="tabular text-muted">{words.filter(Boolean).join(" · ")}</span>
      <span className="tabular ml-auto text-xs text-muted" title={formatMoment(attempt.started_at_ms)}>
        {formatAge(attempt.ended_at_ms ?? attempt.started_at_ms, now)}
      </span>
      {(attempt.reason !== "" || attempt.verdict !== "") && (
        <span className="w-full pl-3.5 text-xs break-words text-muted">
          {[attempt.reason, attempt.reason.includes(attempt.verdict) ? "" : attempt.verdict]
            .filter(Boolean)
            .map(serverWords)
            .map(capital)
            .join(". ")}
        </span>
      )}
    </li>
  );
}
