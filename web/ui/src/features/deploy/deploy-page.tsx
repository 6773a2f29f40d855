import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Check } from "lucide-react";
import { Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { DeployedService, Strategy } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { rolloutsQuery, servicesQuery } from "@/api/queries";
import { meQuery } from "@/api/session";
import { Banner } from "@/components/banner";
import { showDone, showError } from "@/components/ui/toast-store";
import { serverNow } from "@/lib/clock";
import { cn } from "@/lib/cn";
import { useDebounced } from "@/lib/debounced";
import { lazily } from "@/lib/fetched";
import { formatAge } from "@/lib/format";
import { textsOf, useMessages } from "@/lib/i18n";
import { timeZone } from "@/lib/local-time";
import { type Asked, deploy, fetchDetails, scheduleDeployment, validationQuery } from "./deploy-queries";
import { type Draft, loadDraft, NOTHING, saveDraft } from "./draft";
import { FileStep } from "./file-step";
import { messages } from "./messages";
import { planOf } from "./plan";
import { type Options, PlanStep } from "./plan-step";
import { fileOfRunning } from "./running-file";
import { givenOf, variablesOf } from "./variables";

const ConfirmDeploy = lazily(() => import("./confirm-deploy"));

export type Step = "file" | "plan";

interface DeployPageProps {
  step: Step;
  /** The project whose running services the file begins with. */
  from: string | undefined;
  /** The editor holds that now: a reload must not replace what is changed in it. */
  onFromTaken: () => void;
  onStep: (step: Step) => void;
  onDeployed: (services: readonly DeployedService[]) => void;
  onScheduled: () => void;
}

const SETTLED_MS = 500;
const AS_USUAL: Options = {
  strategy: "",
  isUnjudged: false,
  overridesWindows: false,
  atMs: null,
  cron: null,
};

/** From a Compose file to a rollout: the file, what it would do, and go. */
export function DeployPage({ step, from, onFromTaken, onStep, onDeployed, onScheduled }: DeployPageProps) {
  const t = useMessages(messages);
  const can = useCan();
  const client = useQueryClient();
  const { draft, change, isKept, keptFrom, discard } = useDraft();
  const [values, setValues] = useState<Record<string, string>>({});
  const [options, setOptions] = useState<Options>(AS_USUAL);
  const [isAsked, setAsked] = useState(false);
  const variables = useMemo(() => variablesOf(draft.compose), [draft.compose]);
  const asked = useMemo(
    () => bodyOf(draft, givenOf(variables, values), options),
    [draft, variables, values, options],
  );
  const settled = useDebounced(asked, SETTLED_MS);
  const validation = useQuery(validationQuery(settled));
  const isChecked = settled === asked && validation.data !== undefined && !validation.isPlaceholderData;
  const found = asked.compose.trim() === "" ? undefined : validation.data;
  useRunningFile(from, draft, change, onFromTaken);

  const going = useMutation({
    mutationFn: async (): Promise<readonly DeployedService[] | null> => {
      const { atMs, cron } = options;
      if (cron !== null)
        await scheduleDeployment(asked, { cron: cron.trim(), time_zone: timeZone(), pin_at_fire: true });
      else if (atMs !== null) await scheduleDeployment(asked, { at_ms: atMs });
      else return (await deploy(asked)).services;
      return null;
    },
    onSuccess: (services) => {
      discard();
      const project = found?.project ?? draft.project;
      showDone(services === null ? t.scheduled(project) : t.deployed(project));
      if (services === null) onScheduled();
      else onDeployed(services);
    },
    onSettled: () => {
      setAsked(false);
      void client.invalidateQueries({ queryKey: rolloutsQuery.queryKey });
      void client.invalidateQueries({ queryKey: servicesQuery.queryKey });
    },
  });

  return (
    <div className="flex flex-col gap-4">
      <Steps step={step} onStep={onStep} />
      {!can("service.deploy") && (
        <Banner tone="warn" title={t.forbidden}>
          {t.forbiddenWords}
        </Banner>
      )}
      {step === "file" && keptFrom !== null && (
        <p role="status" className="flex flex-wrap items-center gap-x-3 text-sm text-muted">
          {t.draftFrom(formatAge(keptFrom, serverNow()))}
          <button type="button" className="font-medium text-accent hover:underline" onClick={discard}>
            {t.discard}
          </button>
        </p>
      )}
      {step === "file" ? (
        <FileStep
          draft={draft}
          variables={variables}
          values={values}
          found={found}
          isChecked={isChecked}
          error={validation.error}
          isKept={isKept}
          onChange={change}
          onValue={(name, value) => setValues((before) => ({ ...before, [name]: value }))}
          onNext={() => onStep("plan")}
          onDiscard={discard}
          onFailed={() => void validation.refetch()}
        />
      ) : (
        <PlanStep
          validation={validation}
          found={found}
          isChecked={isChecked}
          options={options}
          mayDeploy={can("service.deploy")}
          mayScheduleLater={can("service.schedule")}
          maySkip={can("service.skip-analysis")}
          isPending={going.isPending}
          onOptions={setOptions}
          onBack={() => onStep("file")}
          onGo={() => setAsked(true)}
        />
      )}
      {isAsked && found !== undefined && (
        <Suspense fallback={null}>
          <ConfirmDeploy
            project={found.project}
            plan={planOf(found)}
            options={options}
            isPending={going.isPending}
            onConfirm={() => going.mutate()}
            onCancel={() => setAsked(false)}
          />
        </Suspense>
      )}
    </div>
  );
}

function bodyOf(draft: Draft, variables: Record<string, string>, options: Options): Asked {
  return {
    compose: draft.compose,
    variables,
    ...(draft.project === "" ? {} : { project: draft.project }),
    ...(draft.environment === "" ? {} : { environment: draft.environment }),
    ...(options.strategy === "" ? {} : { strategy: options.strategy as Strategy }),
    ...(options.isUnjudged ? { skip_analysis: true } : {}),
    ...(options.overridesWindows ? { override_window: true } : {}),
  };
}

/** The draft of this person, kept in the browser with every change. */
function useDraft() {
  const { data: me } = useQuery(meQuery);
  const principal = me?.principal_id ?? "";
  const kept = useMemo(() => loadDraft(localStorage, principal), [principal]);
  const [draft, setDraft] = useState(kept?.draft ?? NOTHING);
  const [keptFrom, setKeptFrom] = useState(kept?.savedAtMs ?? null);
  const [isKept, setIsKept] = useState(true);
  const change = useCallback(
    (next: Partial<Draft>) => {
      setDraft((before) => {
        const changed = { ...before, ...next };
        setIsKept(saveDraft(localStorage, principal, changed, serverNow()) || changed.compose === "");
        return changed;
      });
      setKeptFrom(null);
    },
    [principal],
  );
  const discard = useCallback(() => change(NOTHING), [change]);
  return { draft, change, isKept, keptFrom, discard };
}

/** Put into the editor what runs in a project; a draft that was there can be brought back. */
function useRunningFile(
  from: string | undefined,
  draft: Draft,
  change: (next: Partial<Draft>) => void,
  onTaken: () => void,
): void {
  const services = useQuery({ ...servicesQuery, enabled: from !== undefined });
  const begun = useRef<string | null>(null);
  const newest = useRef({ draft, change, onTaken });
  newest.current = { draft, change, onTaken };
  useEffect(() => {
    if (from === undefined || services.data === undefined || begun.current === from) return;
    begun.current = from;
    const ids = services.data.filter(({ project }) => project === from).map(({ id }) => id);
    void fetchDetails(ids).then(
      (details) => {
        const t = textsOf(messages);
        const before = newest.current.draft;
        const undo = { label: t.undo, run: () => newest.current.change(before) };
        newest.current.change({ ...NOTHING, compose: fileOfRunning(from, details) });
        newest.current.onTaken();
        if (before.compose !== "") showDone(t.replaced(t.fromProject(from)), "", undo);
      },
      (error: unknown) => {
        begun.current = null;
        showError(error);
      },
    );
  }, [from, services.data]);
}

function Steps({ step, onStep }: { step: Step; onStep: (step: Step) => void }) {
  const t = useMessages(messages);
  const all = [
    { key: "file", label: t.file },
    { key: "plan", label: t.plan },
    { key: "rollout", label: t.rollout },
  ] as const;
  const at = all.findIndex(({ key }) => key === step);
  return (
    <nav aria-label={t.steps}>
      <ol className="flex flex-wrap items-center gap-2 text-sm">
        {all.map(({ key, label }, index) => (
          <li key={key} className="flex items-center gap-2">
            {index > 0 && <span aria-hidden className="h-px w-6 bg-line-strong" />}
            <button
              type="button"
              aria-current={key === step ? "step" : undefined}
              disabled={key === "rollout"}
              onClick={() => key !== "rollout" && onStep(key)}
              className={cn(
                "flex h-8 items-center gap-2 rounded-md px-1 pointer-coarse:h-10",
                key === step ? "font-semibold" : "text-muted enabled:hover:text-text",
              )}
            >
              <span
                aria-hidden
                className={cn(
                  "tabular flex size-5 items-center justify-center rounded-full border text-xs",
                  key === step
                    ? "border-accent bg-accent text-on-accent"
                    : index < at
                      ? "border-ok-mark text-ok"
                      : "border-line-strong",
                )}
              >
                {index < at ? <Check className="size-3" /> : index + 1}
              </span>
              {label}
            </button>
          </li>
        ))}
      </ol>
    </nav>
  );
}
