import { useMutation } from "@tanstack/react-query";
import { Plus, X } from "lucide-react";
import { type ReactNode, useRef, useState } from "react";
import { request } from "@/api/client";
import type { ExperimentView, ServiceDetail } from "@/api/openapi";
import { errorOf, FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { CheckBox, Field, Input, Select } from "@/components/ui/field";
import { Sheet } from "@/components/ui/sheet";
import { showDone } from "@/components/ui/toast-store";
import { useNow } from "@/lib/clock";
import { formatMoment, formatShare } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { localInput, momentOf } from "@/lib/local-time";
import {
  bodyOf,
  type ExperimentDraft,
  type Fault,
  faultsOf,
  MATCHES_MAX,
  type Match,
  NEW_EXPERIMENT,
  permilleOf,
  usualReplicas,
} from "./experiment-draft";
import { experimentMessages } from "./experiment-messages";
import { useRefresh } from "./service-actions";

const FILE_BYTES_MAX = 1024 * 1024;
const DAY_MS = 86_400_000;

/** By which names the interface speaks of what a field holds. */
const SERVER_NAMES = [
  "image",
  "compose",
  "permille",
  "sticky",
  "replicas",
  "for",
  "for_s",
  "until",
  "until_ms",
] as const;

interface ExperimentWindowProps {
  service: ServiceDetail;
  mayOverride: boolean;
  onClose: () => void;
}

/** Try a second revision of a service: what it is, which requests it gets, and what ends it. */
export default function ExperimentWindow({ service, mayOverride, onClose }: ExperimentWindowProps) {
  const t = useMessages(experimentMessages);
  const refresh = useRefresh();
  const now = useNow();
  const [draft, setDraft] = useState<ExperimentDraft>(() => ({
    ...NEW_EXPERIMENT,
    until: localInput(now + 7 * DAY_MS),
  }));
  // What was not yet typed is not yet wrong.
  const [touched, setTouched] = useState<ReadonlySet<Fault>>(new Set());
  const change = (next: Partial<ExperimentDraft>, ...fields: Fault[]) => {
    setDraft((before) => ({ ...before, ...next }));
    setTouched((before) => new Set([...before, ...fields]));
  };
  const faults = faultsOf(draft, service.replicas_wanted, now);
  const starting = useMutation({
    meta: { isShownInPlace: true },
    mutationFn: () =>
      request<ExperimentView>(`/services/${encodeURIComponent(service.id)}/experiment`, {
        method: "POST",
        body: bodyOf(draft),
      }),
    onSuccess: ({ progress }) => {
      showDone(t.started(service.id), progress);
      onClose();
    },
    onSettled: refresh,
  });
  const said = (fault: Fault, ...names: string[]): string | undefined => {
    if (faults.has(fault) && touched.has(fault)) {
      return fault === "replicas" ? t.faults.replicas(service.replicas_wanted) : t.faults[fault];
    }
    return names.map((name) => errorOf(starting.error, name)).find((rule) => rule !== undefined);
  };
  return (
    <Sheet title={t.title(service.id)} description={t.note} onClose={onClose}>
      <form
        className="flex min-h-0 flex-1 flex-col"
        onSubmit={(event) => {
          event.preventDefault();
          if (faults.size === 0) starting.mutate();
        }}
      >
        <div className="flex min-h-0 flex-1 flex-col gap-6 overflow-y-auto p-4">
          <What service={service} draft={draft} said={said} onChange={change} />
          <Requests draft={draft} said={said} error={starting.error} onChange={change} />
          <Field
            label={t.replicas}
            hint={t.replicasHint(usualReplicas(draft, service.replicas_wanted), service.replicas_wanted)}
            error={said("replicas", "replicas")}
          >
            {(control) => (
              <Input
                {...control}
                inputMode="numeric"
                value={draft.replicas}
                autoComplete="off"
                className="tabular w-32"
                onInput={(event) => change({ replicas: event.currentTarget.value }, "replicas")}
              />
            )}
          </Field>
          <End draft={draft} said={said} onChange={change} />
          {mayOverride && (
            <CheckBox
              label={t.override}
              isOn={draft.overridesWindows}
              onChange={(overridesWindows) => change({ overridesWindows })}
            />
          )}
          {faults.size === 0 && <Plan draft={draft} ofA={service.replicas_wanted} />}
          <FormError error={starting.error} fields={SERVER_NAMES} />
        </div>
        <footer className="flex justify-end gap-2 border-t border-line px-4 py-3">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button type="submit" tone="primary" disabled={faults.size > 0 || starting.isPending}>
            {t.start}
          </Button>
        </footer>
      </form>
    </Sheet>
  );
}

interface PartProps {
  draft: ExperimentDraft;
  said: (fault: Fault, ...names: string[]) => string | undefined;
  onChange: (next: Partial<ExperimentDraft>, ...fields: Fault[]) => void;
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="flex flex-col gap-4">
      <h3 className="text-base font-semibold">{title}</h3>
      {children}
    </section>
  );
}

function What({ service, draft, said, onChange }: PartProps & { service: ServiceDetail }) {
  const t = useMessages(experimentMessages);
  const [fileFault, setFileFault] = useState<string>();
  const read = async (file: File | undefined) => {
    if (file === undefined) return;
    const isTooLarge = file.size > FILE_BYTES_MAX;
    setFileFault(isTooLarge ? t.fileTooLarge : undefined);
    onChange({ compose: isTooLarge ? "" : await file.text() }, "compose");
  };
  return (
    <Part title={t.whatIsB}>
      <Field label={t.madeOf}>
        {(control) => (
          <Select
            {...control}
            value={draft.from}
            onChange={(event) => onChange({ from: event.currentTarget.value as ExperimentDraft["from"] })}
          >
            <option value="image">{t.from.image}</option>
            <option value="file">{t.from.file}</option>
          </Select>
        )}
      </Field>
      {draft.from === "image" ? (
        <Field label={t.image} hint={t.imageHint(service.image)} error={said("image", "image")}>
          {(control) => (
            <Input
              {...control}
              value={draft.image}
              required
              autoComplete="off"
              autoCapitalize="off"
              spellCheck={false}
              className="font-mono"
              onInput={(event) => onChange({ image: event.currentTarget.value }, "image")}
            />
          )}
        </Field>
      ) : (
        <Field
          label={t.file}
          hint={draft.compose === "" ? t.fileHint : t.fileRead(draft.compose.split("\n").length)}
          error={fileFault ?? said("compose", "compose")}
        >
          {(control) => (
            <Input
              {...control}
              type="file"
              accept=".yaml,.yml,application/yaml"
              className="h-auto py-1 pointer-coarse:h-auto"
              onChange={(event) => void read(event.currentTarget.files?.[0])}
            />
          )}
        </Field>
      )}
    </Part>
  );
}

function Requests({ draft, said, error, onChange }: PartProps & { error: Error | null }) {
  const t = useMessages(experimentMessages);
  const lastKey = useRef(0);
  const setMatch = (key: number, next: Partial<Match>) =>
    onChange({ matches: draft.matches.map((match) => (match.key === key ? { ...match, ...next } : match)) });
  /** The server counts headers and cookies apart. */
  const ruleOf = (match: Match) => {
    const alike = draft.matches.filter(({ kind }) => kind === match.kind);
    return errorOf(error, `${match.kind}s.${alike.indexOf(match)}`);
  };
  return (
    <Part title={t.requests}>
      <Field label={t.percent} hint={t.percentHint} error={said("percent", "permille") ?? said("requests")}>
        {(control) => (
          <Input
            {...control}
            inputMode="decimal"
            value={draft.percent}
            autoComplete="off"
            className="tabular w-32"
            onInput={(event) => onChange({ percent: event.currentTarget.value }, "percent", "requests")}
          />
        )}
      </Field>
      {(permilleOf(draft) ?? 0) > 0 && (
        <CheckBox label={t.sticky} isOn={draft.isSticky} onChange={(isSticky) => onChange({ isSticky })} />
      )}
      <fieldset className="flex flex-col gap-2">
        <legend className="text-sm font-medium">{t.matches}</legend>
        <p className="text-xs text-muted">{t.matchesHint}</p>
        {draft.matches.map((match, index) => (
          <div key={match.key} className="flex flex-col gap-1">
            <div className="flex flex-wrap gap-2">
              <Select
                aria-label={t.kind(index + 1)}
                value={match.kind}
                onChange={(event) =>
                  setMatch(match.key, { kind: event.currentTarget.value as Match["kind"] })
                }
              >
                <option value="header">{t.kinds.header}</option>
                <option value="cookie">{t.kinds.cookie}</option>
              </Select>
              <Input
                aria-label={t.name(index + 1)}
                placeholder={match.kind === "header" ? "X-Beta" : "beta"}
                value={match.name}
                autoComplete="off"
                spellCheck={false}
                className="min-w-0 flex-1 font-mono"
                onInput={(event) => setMatch(match.key, { name: event.currentTarget.value })}
              />
              <Input
                aria-label={t.value(index + 1)}
                placeholder="yes"
                value={match.value}
                autoComplete="off"
                spellCheck={false}
                className="min-w-0 flex-1 font-mono"
                onInput={(event) => setMatch(match.key, { value: event.currentTarget.value })}
              />
              <Button
                tone="ghost"
                isIcon
                aria-label={t.removeMatch(index + 1)}
                onClick={() =>
                  onChange({ matches: draft.matches.filter(({ key }) => key !== match.key) }, "requests")
                }
              >
                <X aria-hidden className="size-4" />
              </Button>
            </div>
            {ruleOf(match) !== undefined && <p className="text-xs text-bad">{ruleOf(match)}</p>}
          </div>
        ))}
        {draft.matches.length < MATCHES_MAX && (
          <Button
            className="self-start"
            onClick={() => {
              lastKey.current += 1;
              onChange({
                matches: [...draft.matches, { key: lastKey.current, kind: "header", name: "", value: "" }],
              });
            }}
          >
            <Plus aria-hidden className="size-3.5" />
            {t.addMatch}
          </Button>
        )}
        {draft.matches.some(({ name, value }) => name === "" || value === "") && (
          <p className="text-xs text-muted">{t.faults.matches}</p>
        )}
      </fieldset>
    </Part>
  );
}

function End({ draft, said, onChange }: PartProps) {
  const t = useMessages(experimentMessages);
  return (
    <Part title={t.end}>
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label={t.when}>
          {(control) => (
            <Select
              {...control}
              value={draft.ends}
              onChange={(event) => onChange({ ends: event.currentTarget.value as ExperimentDraft["ends"] })}
            >
              {(["by-hand", "after", "at"] as const).map((ends) => (
                <option key={ends} value={ends}>
                  {t.ends[ends]}
                </option>
              ))}
            </Select>
          )}
        </Field>
        {draft.ends === "after" && (
          <div className="grid grid-cols-2 gap-2">
            <Field label={t.lasts} error={said("lasts", "for", "for_s")}>
              {(control) => (
                <Input
                  {...control}
                  inputMode="decimal"
                  value={draft.lasts}
                  autoComplete="off"
                  className="tabular w-full"
                  onInput={(event) => onChange({ lasts: event.currentTarget.value }, "lasts")}
                />
              )}
            </Field>
            <Field label={t.unit}>
              {(control) => (
                <Select
                  {...control}
                  value={draft.unit}
                  onChange={(event) =>
                    onChange({ unit: event.currentTarget.value as ExperimentDraft["unit"] })
                  }
                >
                  <option value="hours">{t.units.hours}</option>
                  <option value="days">{t.units.days}</option>
                </Select>
              )}
            </Field>
          </div>
        )}
        {draft.ends === "at" && (
          <Field label={t.until} error={said("until", "until", "until_ms")}>
            {(control) => (
              <Input
                {...control}
                type="datetime-local"
                value={draft.until}
                onInput={(event) => onChange({ until: event.currentTarget.value }, "until")}
              />
            )}
          </Field>
        )}
      </div>
      {draft.ends !== "by-hand" && (
        <Field label={t.keepThen}>
          {(control) => (
            <Select
              {...control}
              value={draft.keep}
              onChange={(event) => onChange({ keep: event.currentTarget.value as "a" | "b" })}
            >
              <option value="a">{t.keeps.a}</option>
              <option value="b">{t.keeps.b}</option>
            </Select>
          )}
        </Field>
      )}
    </Part>
  );
}

/** What starting it means, before it is started. */
function Plan({ draft, ofA }: { draft: ExperimentDraft; ofA: number }) {
  const t = useMessages(experimentMessages);
  const permille = permilleOf(draft) ?? 0;
  const replicas = draft.replicas === "" ? usualReplicas(draft, ofA) : Number(draft.replicas);
  const share = [t.planShare(formatShare(permille)), draft.isSticky ? t.planSticky : ""];
  const lines = [
    t.planReplicas(replicas, ofA),
    permille > 0 ? `${share.filter(Boolean).join("; ")}.` : "",
    draft.matches.length > 0
      ? t.planMatches(
          draft.matches.map(({ kind, name, value }) => `${t.kinds[kind]} ${name}: ${value}`).join(", "),
        )
      : "",
    draft.ends === "by-hand"
      ? t.planEnds["by-hand"]
      : draft.ends === "after"
        ? t.planEnds.after(`${draft.lasts} ${t.units[draft.unit]}`, draft.keep)
        : t.planEnds.at(formatMoment(momentOf(draft.until) ?? 0), draft.keep),
  ];
  return (
    <section aria-label={t.plan} className="rounded-md border border-line bg-raised px-4 py-3 text-sm">
      <h3 className="font-medium">{t.plan}</h3>
      <ul className="mt-1 flex flex-col gap-1 text-muted">
        {lines.filter(Boolean).map((line) => (
          <li key={line} className="break-words">
            {line}
          </li>
        ))}
      </ul>
    </section>
  );
}
