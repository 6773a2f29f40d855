import type { UseQueryResult } from "@tanstack/react-query";
import { ArrowLeft } from "lucide-react";
import { useMemo } from "react";
import type { Strategy, ValidationView } from "@/api/openapi";
import { Failed, Loading } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { CheckBox, Field, Input, Select } from "@/components/ui/field";
import { Card, Section } from "@/components/ui/section";
import { serverNow } from "@/lib/clock";
import { useMessages } from "@/lib/i18n";
import { localInput, momentOf, timeZone } from "@/lib/local-time";
import { messages } from "./messages";
import { planOf } from "./plan";
import { PlanView, ReachView } from "./plan-view";

export interface Options {
  /** Instead of the file's own; empty for that. */
  strategy: Strategy | "";
  isUnjudged: boolean;
  overridesWindows: boolean;
  /** When; null for now, and where `cron` says it. */
  atMs: number | null;
  /** When again and again; null for once. */
  cron: string | null;
}

interface PlanStepProps {
  validation: UseQueryResult<ValidationView>;
  found: ValidationView | undefined;
  isChecked: boolean;
  options: Options;
  mayDeploy: boolean;
  mayScheduleLater: boolean;
  maySkip: boolean;
  isPending: boolean;
  onOptions: (options: Options) => void;
  onBack: () => void;
  onGo: () => void;
}

const STRATEGIES: readonly Strategy[] = ["rolling", "blue-green", "canary"];
const HOUR_MS = 3_600_000;

/** What would happen, and with which options. */
export function PlanStep(props: PlanStepProps) {
  const { validation, found, isChecked, options } = props;
  const t = useMessages(messages);
  const plan = useMemo(() => (found === undefined ? null : planOf(found)), [found]);
  const isPast = options.atMs !== null && options.atMs <= serverNow();
  const changes = plan?.services.some(({ kind }) => kind !== "unchanged") ?? false;
  const isLater = options.atMs !== null || options.cron !== null;
  const hasMoment = options.cron === null ? !isPast : options.cron.trim() !== "";
  // What changes nothing now may change something then.
  const isWorth = changes || options.cron !== null;
  const isReady = isChecked && plan !== null && plan.errors === 0 && isWorth && hasMoment && props.mayDeploy;
  return (
    <div className="grid gap-6 xl:grid-cols-[minmax(0,2fr)_minmax(20rem,1fr)]">
      <Section title={t.plan} note={<PlanNote {...props} />}>
        {plan !== null ? (
          <PlanView plan={plan} />
        ) : validation.isError ? (
          <Card>
            <Failed error={validation.error} onRetry={() => void validation.refetch()} />
          </Card>
        ) : (
          <Card>
            {validation.isFetching ? (
              <Loading label={t.loadingPlan} rows={6} />
            ) : (
              <p className="px-4 py-3 text-sm text-muted">{t.needsPlan}</p>
            )}
          </Card>
        )}
      </Section>
      <div className="flex min-w-0 flex-col gap-6">
        <Section title={t.options}>
          <Card className="p-4">
            <OptionsForm {...props} isPast={isPast} />
          </Card>
        </Section>
        {plan !== null && changes && (
          <Section title={t.reach}>
            <Card className="p-4">
              <ReachView reach={plan.reach} />
            </Card>
          </Section>
        )}
        <div className="flex flex-wrap justify-between gap-2">
          <Button onClick={props.onBack}>
            <ArrowLeft aria-hidden className="size-3.5" />
            {t.toFile}
          </Button>
          <Button tone="primary" disabled={!isReady || props.isPending} onClick={props.onGo}>
            {isLater ? t.schedule : t.deploy}
          </Button>
        </div>
      </div>
    </div>
  );
}

function PlanNote({ found, isChecked }: PlanStepProps) {
  const t = useMessages(messages);
  if (found === undefined) return null;
  return (
    <span role="status" className="flex gap-3">
      {!isChecked && <Status tone="neutral">{t.checking}</Status>}
      {isChecked && found.errors > 0 && <Status tone="bad">{t.errors(found.errors)}</Status>}
      {isChecked && found.warnings > 0 && <Status tone="warn">{t.warnings(found.warnings)}</Status>}
    </span>
  );
}

function OptionsForm({
  options,
  onOptions,
  maySkip,
  mayScheduleLater,
  isPast,
}: PlanStepProps & { isPast: boolean }) {
  const t = useMessages(messages);
  const set = (next: Partial<Options>) => onOptions({ ...options, ...next });
  return (
    <div className="flex flex-col gap-4">
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label={t.strategy}>
          {(control) => (
            <Select
              {...control}
              value={options.strategy}
              onChange={(event) => set({ strategy: event.currentTarget.value as Options["strategy"] })}
            >
              <option value="">{t.asInFile}</option>
              {STRATEGIES.map((strategy) => (
                <option key={strategy} value={strategy}>
                  {t.strategies[strategy]}
                </option>
              ))}
            </Select>
          )}
        </Field>
        {mayScheduleLater && (
          <Field label={t.when}>
            {(control) => (
              <Select
                {...control}
                value={options.cron !== null ? "repeated" : options.atMs === null ? "now" : "later"}
                onChange={(event) => {
                  const when = event.currentTarget.value;
                  set({
                    atMs: when === "later" ? serverNow() + HOUR_MS : null,
                    cron: when === "repeated" ? "" : null,
                  });
                }}
              >
                <option value="now">{t.now}</option>
                <option value="later">{t.later}</option>
                <option value="repeated">{t.repeated}</option>
              </Select>
            )}
          </Field>
        )}
      </div>
      {options.atMs !== null && (
        <Field label={t.at} error={isPast ? t.pastMoment : undefined}>
          {(control) => (
            <Input
              {...control}
              type="datetime-local"
              value={localInput(options.atMs ?? 0)}
              onChange={(event) => {
                const atMs = momentOf(event.currentTarget.value);
                if (atMs !== null) set({ atMs });
              }}
            />
          )}
        </Field>
      )}
      {options.cron !== null && (
        <Field label={t.cron} hint={t.cronHint(timeZone())}>
          {(control) => (
            <Input
              {...control}
              value={options.cron ?? ""}
              placeholder="30 3 * * MON-FRI"
              autoComplete="off"
              className="font-mono"
              onInput={(event) => set({ cron: event.currentTarget.value })}
            />
          )}
        </Field>
      )}
      <CheckBox
        label={t.override}
        hint={t.overrideHint}
        isOn={options.overridesWindows}
        onChange={(overridesWindows) => set({ overridesWindows })}
      />
      {maySkip && (
        <CheckBox
          label={t.unjudged}
          hint={t.unjudgedHint}
          isOn={options.isUnjudged}
          onChange={(isUnjudged) => set({ isUnjudged })}
        />
      )}
    </div>
  );
}
