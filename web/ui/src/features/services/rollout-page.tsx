import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Check, Hourglass, ScrollText } from "lucide-react";
import { type ReactNode, useEffect } from "react";
import type { EventView, HookRunView, ReplicaStepView, RolloutView, ServiceView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { isStatus } from "@/api/problem";
import { rolloutsQuery, servicesQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Page } from "@/components/page";
import { Sentence } from "@/components/sentence";
import { Empty, Loading } from "@/components/states";
import { ROLLOUT_TONES } from "@/components/tones";
import { Badge, Status, StatusMark, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, Section } from "@/components/ui/section";
import { useNow } from "@/lib/clock";
import { cn } from "@/lib/cn";
import {
  capital,
  formatAge,
  formatClock,
  formatDuration,
  formatMoment,
  formatShare,
  UNKNOWN,
} from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { useSentences } from "@/lib/sentences";
import { BehaviourTable } from "./behaviour-table";
import { messages } from "./messages";
import { pageMessages } from "./page-messages";
import { RolloutBar } from "./rollout-bar";
import { leftMs, type ShareStep, shareSteps } from "./rollout-steps";
import { canRetry } from "./service-actions";
import { useActions } from "./service-asking";
import { RolloutButtons } from "./service-buttons";
import { rolloutEventsQuery, rolloutQuery } from "./service-queries";
import { isUnderWay } from "./service-standing";
import { TrafficBar } from "./traffic-bar";

interface RolloutPageProps {
  /** Its id, or the service whose newest rollout is meant. */
  reference: string;
  /** The revision that was just asked for: until its rollout has begun, that one is waited for. */
  revision: number | undefined;
}

/** How often a rollout that is to begin is looked for; afterwards the live connection tells. */
const SOON_MS = 1_000;

/** One rollout as it happens, and how it ended. */
export function RolloutPage({ reference, revision }: RolloutPageProps) {
  const t = useMessages(pageMessages);
  const all = useQuery(rolloutsQuery);
  const live = all.data?.find(({ id }) => id === reference) ?? newestOf(all.data, reference);
  const isAwaited = revision !== undefined && (live === undefined || live.to_revision < revision);
  const asked = useQuery({
    ...rolloutQuery(reference),
    enabled: live === undefined || isAwaited,
    refetchInterval: isAwaited ? SOON_MS : false,
    retry: false,
  });
  const services = useQuery(servicesQuery);
  const rollout = live !== undefined && !isAwaited ? live : asked.data;
  if (rollout !== undefined && (revision === undefined || rollout.to_revision >= revision)) {
    const service = services.data?.find(({ id }) => id === rollout.service_id);
    return <Rollout rollout={rollout} service={service} />;
  }
  const isMissing = revision === undefined && isStatus(asked.error, 404);
  return (
    <Page title={reference}>
      <Card>
        {isMissing ? (
          <Empty
            icon={<ScrollText className="size-5" />}
            title={<Sentence text={asked.error?.message ?? ""} />}
          >
            {t.noSuchRollout}
          </Empty>
        ) : isAwaited ? (
          <Empty icon={<Hourglass className="size-5" />} title={t.beganSoon}>
            {t.beganSoonWords}
          </Empty>
        ) : (
          <Loaded query={asked} loading={<Loading label={t.loadingRollout} rows={8} />}>
            {() => <Loading label={t.loadingRollout} rows={8} />}
          </Loaded>
        )}
      </Card>
    </Page>
  );
}

function newestOf(rollouts: readonly RolloutView[] | undefined, service: string): RolloutView | undefined {
  return rollouts
    ?.filter(({ service_id }) => service_id === service)
    .reduce<RolloutView | undefined>(
      (newest, each) => (newest === undefined || each.started_at_ms > newest.started_at_ms ? each : newest),
      undefined,
    );
}

function Rollout({ rollout, service }: { rollout: RolloutView; service: ServiceView | undefined }) {
  const t = useMessages(pageMessages);
  const base = useMessages(messages);
  const can = useCan();
  const { actions, window } = useActions();
  const isOpen = isUnderWay(rollout);
  return (
    <Page
      title={t.rolloutTitle(rollout.service_id, rollout.to_revision)}
      above={
        <Link
          to="/services/$service"
          params={{ service: rollout.service_id }}
          className="font-medium text-accent hover:underline"
        >
          {rollout.service_id}
        </Link>
      }
      note={<Status tone={ROLLOUT_TONES[rollout.phase]}>{t.rolloutPhases[rollout.phase]}</Status>}
      actions={
        service !== undefined && (
          <>
            <RolloutButtons
              service={service}
              rollout={rollout}
              can={can}
              isPending={actions.isPending}
              onVerb={(verb) => actions.onVerb(service, rollout, verb)}
            />
            {canRetry(rollout, service, can) && (
              <Button disabled={actions.isPending} onClick={() => actions.onVerb(service, rollout, "retry")}>
                {base.verbs.retry}
              </Button>
            )}
          </>
        )
      }
    >
      <div className="grid items-start gap-6 xl:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]">
        <div className="flex min-w-0 flex-col gap-6">
          <Progress rollout={rollout} />
          {(rollout.behaviour !== null || rollout.stage !== null || rollout.verdict !== "") && (
            <Judge rollout={rollout} />
          )}
          <Replicas rollout={rollout} />
        </div>
        <div className="flex min-w-0 flex-col gap-6">
          {rollout.split !== null && (
            <Section title={t.traffic}>
              <Card className="flex flex-col gap-3 p-4">
                <TrafficBar split={rollout.split} label={base.requestsOf(rollout.service_id)} />
                <RouterList rollout={rollout} />
              </Card>
            </Section>
          )}
          {rollout.hooks.length > 0 && <Hooks hooks={rollout.hooks} />}
          <Events rollout={rollout} isOpen={isOpen} />
        </div>
      </div>
      {window}
    </Page>
  );
}

function Progress({ rollout }: { rollout: RolloutView }) {
  const t = useMessages(pageMessages);
  const base = useMessages(messages);
  const now = useNow();
  const isOpen = isUnderWay(rollout);
  const duration = formatDuration((rollout.ended_at_ms ?? now) - rollout.started_at_ms);
  const said = [rollout.reason, rollout.stage?.words ?? ""].filter(
    (words) => words !== "" && !rollout.progress.includes(words),
  );
  return (
    <Section
      title={t.progress}
      note={[
        t.from(rollout.from_revision, rollout.to_revision),
        t.strategies[rollout.strategy],
        rollout.asked_by === "" ? "" : t.askedBy(rollout.asked_by, formatAge(rollout.started_at_ms, now)),
      ]
        .filter(Boolean)
        .join(" · ")}
    >
      <Card className="flex flex-col gap-3 p-4">
        <div className="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
          <p role="status" className="tabular text-base font-medium break-words">
            <Sentence text={rollout.progress} isCapital />
          </p>
          <p className="tabular text-sm text-muted" title={formatMoment(rollout.started_at_ms)}>
            {isOpen ? t.goesOn(duration) : t.took(duration)}
          </p>
        </div>
        <RolloutBar
          rollout={rollout}
          tone={ROLLOUT_TONES[rollout.phase]}
          label={base.rolloutOf(rollout.service_id)}
        />
        {said.map((words) => (
          <p key={words} className="text-sm break-words">
            {capital(words)}
          </p>
        ))}
        {rollout.steering !== null && (
          <p className="text-sm text-warn">
            {base.askedTo(rollout.steering.by, base.verbs[rollout.steering.steer].toLowerCase())}
          </p>
        )}
        {rollout.is_unjudged && <p className="text-sm text-warn">{t.notJudged}</p>}
        <ShareSteps rollout={rollout} />
        {isOpen && <TimeLeft rollout={rollout} />}
      </Card>
    </Section>
  );
}

function TimeLeft({ rollout }: { rollout: RolloutView }) {
  const t = useMessages(pageMessages);
  const now = useNow();
  const { stage } = rollout;
  const words = (left: number | null, say: (left: string) => string) =>
    left === null ? [] : [left <= 0 ? t.overdue : say(formatDuration(left))];
  const said =
    stage === null
      ? words(leftMs(rollout.deadline_ms, now), t.deadline)
      : [
          ...words(leftMs(stage.hold_until_ms, now), t.holdUntil),
          ...words(leftMs(stage.deadline_ms, now), t.stageDeadline),
        ];
  return (
    <p className="tabular min-h-5 text-sm text-muted">{rollout.phase === "paused" ? "" : said.join(" · ")}</p>
  );
}

function ShareSteps({ rollout }: { rollout: RolloutView }) {
  const t = useMessages(pageMessages);
  const steps = shareSteps(rollout);
  if (steps.length === 0) return null;
  return (
    <ol aria-label={t.timeline} className="flex flex-wrap gap-2 pt-1">
      {steps.map((step) => (
        <Share key={step.number} step={step} approvedBy={rollout.stage?.approved_by ?? ""} />
      ))}
    </ol>
  );
}

function Share({ step, approvedBy }: { step: ShareStep; approvedBy: string }) {
  const t = useMessages(pageMessages);
  const notes = [
    step.holdMs > 0 ? t.stepHold(formatDuration(step.holdMs)) : "",
    step.needsApproval
      ? step.state === "now" && approvedBy !== ""
        ? t.approvedBy(approvedBy)
        : step.state === "done"
          ? ""
          : step.state === "now"
            ? t.needsApproval
            : t.asksApproval
      : "",
  ].filter(Boolean);
  return (
    <li
      aria-current={step.state === "now" ? "step" : undefined}
      className={cn(
        "tabular flex min-w-28 flex-1 flex-col gap-0.5 rounded-md border px-3 py-2 text-sm",
        step.state === "now" ? "border-accent bg-accent-soft" : "border-line",
        (step.state === "ahead" || step.state === "skipped") && "text-muted",
      )}
    >
      <span className="flex items-center gap-1.5 font-medium">
        {step.state === "done" && <Check aria-hidden className="size-3.5 text-ok" />}
        <span className={cn(step.state === "skipped" && "line-through")}>{formatShare(step.permille)}</span>
        <span className="ml-auto text-xs font-normal text-muted">{t.stepStates[step.state]}</span>
      </span>
      <span className="text-xs text-muted">{notes.join(", ") || "\u00a0"}</span>
    </li>
  );
}

function Judge({ rollout }: { rollout: RolloutView }) {
  const t = useMessages(pageMessages);
  return (
    <Section title={t.comparison}>
      <Card className="flex flex-col gap-4 p-4">
        <p className="text-sm">
          <span className="font-medium">{t.verdict}: </span>
          {rollout.verdict === "" ? t.noVerdict : <Sentence text={rollout.verdict} isCapital />}
        </p>
        {rollout.behaviour === null ? (
          <p className="text-sm text-muted">{t.noComparison}</p>
        ) : (
          <BehaviourTable behaviour={rollout.behaviour} />
        )}
        {rollout.limits.length > 0 && (
          <div>
            <h3 className="mb-1 text-sm font-medium">{t.limitsTitle}</h3>
            <ul className="flex flex-col divide-y divide-line text-sm">
              {rollout.limits.map((limit) => (
                <li key={limit.text} className="flex flex-wrap items-baseline gap-x-4 gap-y-1 py-1.5">
                  <span className="min-w-0 flex-1 break-words">
                    <Sentence text={limit.text} isCapital />
                  </span>
                  <Status tone={limit.is_past ? "bad" : "ok"}>{limit.is_past ? t.past : t.within}</Status>
                </li>
              ))}
            </ul>
          </div>
        )}
      </Card>
    </Section>
  );
}

const STEP_TONES: Record<ReplicaStepView["phase"], Tone> = {
  waiting: "neutral",
  starting: "accent",
  routing: "accent",
  monitoring: "accent",
  draining: "accent",
  removing: "accent",
  done: "ok",
};

function Replicas({ rollout }: { rollout: RolloutView }) {
  const t = useMessages(pageMessages);
  const base = useMessages(messages);
  if (rollout.replicas.length === 0) return null;
  return (
    <Section title={t.replicas} note={rollout.replicas.length}>
      <Card className="overflow-x-auto">
        <table className="tabular w-full text-sm">
          <thead>
            <tr className="text-left text-xs text-muted">
              <th scope="col" className="px-4 py-2 font-medium">
                {t.replica}
              </th>
              <th scope="col" className="px-2 py-2 font-medium">
                {t.state}
              </th>
              <th scope="col" className="px-2 py-2 font-medium">
                {t.host}
              </th>
              <th scope="col" className="px-4 py-2 font-medium">
                {t.why}
              </th>
            </tr>
          </thead>
          <tbody className="divide-y divide-line border-t border-line">
            {rollout.replicas.map((step) => (
              <tr key={step.ordinal}>
                <th scope="row" className="px-4 py-2 text-left font-medium">
                  {step.ordinal}
                </th>
                <td className="px-2 py-2">
                  <Status tone={STEP_TONES[step.phase]}>
                    {base.stepPhases[step.phase]}
                    {base.attempt(step.attempts)}
                  </Status>
                </td>
                <td className="px-2 py-2 whitespace-nowrap">
                  {step.node_name || UNKNOWN}
                  {step.old_node_name !== "" && step.old_node_name !== step.node_name && (
                    <span className="block text-xs text-muted">{t.oldHost(step.old_node_name)}</span>
                  )}
                </td>
                <td className="min-w-40 px-4 py-2 break-words text-muted">
                  <Sentence text={step.reason} isCapital />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Card>
    </Section>
  );
}

function RouterList({ rollout }: { rollout: RolloutView }) {
  const t = useMessages(pageMessages);
  const routers = rollout.split?.routers ?? [];
  return (
    <ul className="flex flex-col divide-y divide-line border-t border-line pt-1 text-sm">
      {routers.map((router) => (
        <li key={router.node_id} className="flex items-center justify-between gap-3 py-1.5">
          <span className="truncate">{router.node_name}</span>
          <Status tone={router.is_down ? "neutral" : router.has_routed ? "ok" : "warn"}>
            {router.is_down ? t.down : router.has_routed ? t.inForce : t.waiting}
          </Status>
        </li>
      ))}
    </ul>
  );
}

const HOOK_TONES: Record<HookRunView["phase"], Tone> = {
  waiting: "neutral",
  ordered: "accent",
  running: "accent",
  succeeded: "ok",
  failed: "bad",
  lost: "bad",
  waived: "neutral",
};

function Hooks({ hooks }: { hooks: readonly HookRunView[] }) {
  const say = useSentences();
  const t = useMessages(pageMessages);
  return (
    <Section title={t.hooks}>
      <Card>
        <ul className="divide-y divide-line text-sm">
          {hooks.map((hook) => (
            <li key={`${hook.kind} ${hook.number}`} className="flex flex-col gap-1 px-4 py-2.5">
              <div className="flex items-baseline gap-2">
                <Badge>{t.hookKinds[hook.kind]}</Badge>
                <code className="min-w-0 flex-1 font-mono text-xs break-all">{hook.command.join(" ")}</code>
                <Status tone={HOOK_TONES[hook.phase]}>{t.hookPhases[hook.phase]}</Status>
              </div>
              {(hook.reason !== "" || hook.exit_code !== null) && (
                <p className="text-xs text-muted">
                  {[hook.node_name, say(hook.reason), hook.exit_code === null ? "" : t.exit(hook.exit_code)]
                    .filter(Boolean)
                    .join(" · ")}
                </p>
              )}
              {hook.tail !== "" && (
                <pre className="rounded bg-hover p-2 font-mono text-xs break-words whitespace-pre-wrap">
                  {hook.tail}
                </pre>
              )}
            </li>
          ))}
        </ul>
      </Card>
    </Section>
  );
}

const SEVERITY: Record<string, Tone> = { info: "neutral", warning: "warn", critical: "bad", error: "bad" };

function Events({ rollout, isOpen }: { rollout: RolloutView; isOpen: boolean }) {
  const t = useMessages(pageMessages);
  const events = useQuery(rolloutEventsQuery(rollout));
  const { refetch } = events;
  // Every change of it may have left an event.
  // biome-ignore lint/correctness/useExhaustiveDependencies: asked again when the rollout has changed
  useEffect(() => {
    void refetch();
  }, [rollout.changed_at_ms, isOpen, refetch]);
  return (
    <Section title={t.events}>
      <Card className="overflow-hidden">
        <Loaded query={events} loading={<Loading label={t.loadingEvents} rows={3} />}>
          {(known) =>
            known.length === 0 ? (
              <p className="px-4 py-3 text-sm text-muted">{t.noEvents}</p>
            ) : (
              <ol className="divide-y divide-line">
                {known.map((event) => (
                  <EventLine key={event.id} event={event} />
                ))}
              </ol>
            )
          }
        </Loaded>
      </Card>
    </Section>
  );
}

function EventLine({ event }: { event: EventView }): ReactNode {
  return (
    <li className="flex items-baseline gap-2.5 px-4 py-2 text-sm">
      <StatusMark tone={SEVERITY[event.severity] ?? "neutral"} />
      <p className="min-w-0 flex-1 break-words">
        <Sentence text={event.summary} />
      </p>
      <time
        dateTime={new Date(event.at_ms).toISOString()}
        title={formatMoment(event.at_ms)}
        className="tabular shrink-0 text-xs text-muted"
      >
        {formatClock(event.at_ms)}
      </time>
    </li>
  );
}
