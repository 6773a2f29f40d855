import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { FlaskConical } from "lucide-react";
import { type FormEvent, useState } from "react";
import { putRule, rehearse, removeRule, rulesQuery } from "@/api/alerts";
import type { RehearsalView, RuleSettings, RuleView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { ApiError } from "@/api/problem";
import { FormError } from "@/components/form-error";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Empty, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { CheckBox, Field, Input, Select } from "@/components/ui/field";
import { Sheet } from "@/components/ui/sheet";
import { showDone } from "@/components/ui/toast-store";
import { formatDuration, formatMoment } from "@/lib/format";
import { textsOf, useMessages } from "@/lib/i18n";
import { metricName, NAMED_METRICS } from "@/lib/metric-names";
import { serverWords } from "@/lib/sentences";
import { GRADES } from "./alerts-search";
import { messages } from "./messages";
import {
  canRehearse,
  type FormField,
  fieldOf,
  formOf,
  hasField,
  KINDS,
  NEW_RULE,
  type RuleForm,
  type RuleKind,
  settingsOf,
  wrongFields,
} from "./rule-form";
import { summaryOf } from "./rules";

const REHEARSED_DAYS = 7;
const FIRINGS_SHOWN = 8;
const STATISTICS = ["mean", "min", "max", "p95", "last", "sum"] as const;
/** Of these a share of a limit can be asked. */
const LIMITED = ["memory_bytes", "disk_used_bytes", "inodes_used"];

interface RuleSheetProps {
  /** "" for a new one. */
  name: string;
  onClose: () => void;
}

/** One rule, to read, to change, and to try on the record before it is in force. */
export function RuleSheet({ name, onClose }: RuleSheetProps) {
  const t = useMessages(messages);
  const query = useQuery(rulesQuery);
  const rule = query.data?.find(({ id }) => id === name);
  return (
    <Sheet
      title={name === "" ? t.newRule : name}
      description={rule === undefined ? t.rulesNote : summaryOf(rule)}
      onClose={onClose}
    >
      <div className="min-h-0 flex-1 overflow-y-auto">
        <Loaded query={query} loading={<Loading label={t.loading} rows={8} />}>
          {() =>
            name !== "" && rule === undefined ? (
              <Empty icon="?" title={t.rulesNone} />
            ) : (
              <Form key={name} rule={rule ?? null} onClose={onClose} />
            )
          }
        </Loaded>
      </div>
    </Sheet>
  );
}

function Form({ rule, onClose }: { rule: RuleView | null; onClose: () => void }) {
  const t = useMessages(messages);
  const can = useCan();
  const client = useQueryClient();
  const [name, setName] = useState(rule?.id ?? "");
  const [form, setForm] = useState<RuleForm>(rule === null ? NEW_RULE : formOf(rule.settings));
  const [isRemoving, setRemoving] = useState(false);
  const before = rule?.settings ?? null;
  const wrong = wrongFields(form);
  const isWrong = Object.keys(wrong).length > 0;
  const set = (next: Partial<RuleForm>) => setForm((now) => ({ ...now, ...next }));
  const refresh = () => client.invalidateQueries({ queryKey: rulesQuery.queryKey });

  const save = useMutation({
    mutationFn: () => putRule(name.trim(), settingsOf(form, before)),
    meta: { isShownInPlace: true },
    onSuccess: (saved) => {
      showDone(textsOf(messages).saved(saved.id));
      onClose();
    },
    onSettled: refresh,
  });
  const remove = useMutation({
    mutationFn: () => removeRule(name),
    onSuccess: () => {
      if (rule?.is_built_in !== true) showDone(textsOf(messages).removed(name));
      onClose();
    },
    onSettled: refresh,
  });
  const trial = useMutation({
    mutationFn: (settings: RuleSettings) => rehearse(name.trim() || "new-rule", settings, REHEARSED_DAYS),
    meta: { isShownInPlace: true },
  });
  const refused = faultsOf(save.error ?? trial.error);
  const errorOf = (field: FormField | "name"): string | undefined => {
    if (field !== "name" && wrong[field] === "span") return t.wrongSpan;
    if (field !== "name" && wrong[field] === "number") return t.wrongNumber;
    return refused.get(field);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isWrong) save.mutate();
  };

  const text = (field: TextField, label: string, hint?: string) => (
    <TextInput
      label={label}
      hint={hint}
      error={errorOf(field)}
      value={form[field]}
      onInput={(value) => set({ [field]: value } as Partial<RuleForm>)}
    />
  );
  const span = (field: TextField, label: string) => text(field, label, t.spanHint);
  const has = (field: FormField) => hasField(form.kind, field);
  const countLabel =
    form.kind === "anomaly" ? t.manyMetrics : form.kind === "quorum-risk" ? t.manyHosts : t.many;
  const mayRemove = rule !== null && can("alert-rule.remove") && (!rule.is_built_in || rule.is_changed);
  const isReadOnly = !can("alert-rule.put");

  return (
    <form onSubmit={submit} className="flex flex-col">
      <fieldset disabled={isReadOnly} className="flex flex-col gap-4 p-4">
        <div className="grid gap-4 sm:grid-cols-2">
          {rule === null && (
            <TextInput
              label={t.name}
              hint={t.nameHint}
              error={errorOf("name")}
              value={name}
              onInput={setName}
            />
          )}
          <Choice
            label={t.grade}
            value={form.severity}
            options={GRADES.map((value) => [value, t.severities[value]])}
            onChange={(severity) => set({ severity })}
          />
          <div className="sm:col-span-2">{text("summary", t.summary)}</div>
          <div className="sm:col-span-2">
            <Choice
              label={t.kind}
              value={form.kind}
              options={KINDS.map((kind) => [kind, t.kindsOfRule[kind]])}
              onChange={(kind: RuleKind) => set({ kind })}
            />
          </div>
          {has("metric") && (
            <Choice
              label={t.metric}
              value={form.metric}
              options={metricsFor(form.kind).map((metric) => [metric, metricName(metric)])}
              onChange={(metric) => set({ metric })}
            />
          )}
          {has("statistic") && (
            <Choice
              label={t.statistic}
              value={form.statistic}
              options={STATISTICS.map((value) => [value, t.statistics[value]])}
              onChange={(statistic) => set({ statistic })}
            />
          )}
          {has("value") && (
            <>
              <Choice
                label={t.bound}
                value={form.side}
                options={[
                  ["above", t.above],
                  ["below", t.below],
                ]}
                onChange={(side) => set({ side })}
              />
              {text("value", t.value, form.isPercent ? "%" : undefined)}
              {LIMITED.includes(form.metric) && (
                <div className="sm:col-span-2">
                  <CheckBox
                    label={t.percentOfLimit}
                    isOn={form.isPercent}
                    onChange={(isPercent) => set({ isPercent })}
                  />
                </div>
              )}
              {text("resolve", t.resolve, t.resolveHint)}
            </>
          )}
          {has("step") && span("step", t.step)}
          {has("count") && text("count", countLabel)}
          {has("window") && span("window", t.window)}
          {has("within") && span("within", t.within)}
          {has("for") && span("for", t.for)}
          {span("keepFiring", t.keepFiring)}
          {span("remind", t.remind)}
        </div>
        <fieldset className="flex flex-col gap-3">
          <legend className="mb-1 text-sm font-semibold">{t.scope}</legend>
          <p className="text-xs text-muted">{t.scopeNote}</p>
          <div className="grid gap-4 sm:grid-cols-2">
            {text("hosts", t.hosts)}
            {text("services", t.services)}
            {text("environments", t.environments)}
            {text("names", t.names, t.namesHint)}
          </div>
        </fieldset>
        {text("hint", t.hint)}
      </fieldset>
      <section aria-live="polite" className="flex flex-col gap-2 border-t border-line p-4">
        {canRehearse(form.kind) ? (
          <>
            <Button
              disabled={trial.isPending || isWrong}
              onClick={() => trial.mutate(settingsOf(form, before))}
              className="self-start"
            >
              <FlaskConical aria-hidden className="size-3.5" />
              {trial.isPending ? t.rehearsing : t.rehearse}
            </Button>
            {trial.data !== undefined && !trial.isPending && <Rehearsed found={trial.data} />}
          </>
        ) : (
          <p className="text-sm text-muted">{t.cannotRehearse}</p>
        )}
        <FormError error={refused.size > 0 ? null : (save.error ?? trial.error)} />
      </section>
      <div className="sticky bottom-0 flex justify-end gap-2 border-t border-line bg-surface p-4">
        {mayRemove && (
          <Button className="mr-auto" onClick={() => setRemoving(true)}>
            {rule.is_built_in ? t.reset : t.remove}
          </Button>
        )}
        <Button onClick={onClose}>{t.cancel}</Button>
        {!isReadOnly && (
          <Button type="submit" tone="primary" disabled={save.isPending || isWrong || name.trim() === ""}>
            {t.save}
          </Button>
        )}
      </div>
      {isRemoving && rule !== null && (
        <Confirm
          title={rule.is_built_in ? t.resetTitle(rule.id) : t.removeTitle(rule.id)}
          verb={rule.is_built_in ? t.reset : t.remove}
          isDangerous={!rule.is_built_in}
          isPending={remove.isPending}
          onConfirm={() => remove.mutate()}
          onCancel={() => setRemoving(false)}
        >
          <p>{rule.is_built_in ? t.resetNote : t.removeNote}</p>
        </Confirm>
      )}
    </form>
  );
}

type TextField =
  | "summary"
  | "value"
  | "resolve"
  | "step"
  | "for"
  | "keepFiring"
  | "remind"
  | "within"
  | "window"
  | "count"
  | "hosts"
  | "services"
  | "environments"
  | "names"
  | "hint";

interface TextInputProps {
  label: string;
  hint?: string | undefined;
  error: string | undefined;
  value: string;
  onInput: (value: string) => void;
}

function TextInput({ label, hint, error, value, onInput }: TextInputProps) {
  return (
    <Field label={label} error={error} {...(hint === undefined ? {} : { hint })}>
      {(control) => (
        <Input {...control} value={value} onInput={(event) => onInput(event.currentTarget.value)} />
      )}
    </Field>
  );
}

interface ChoiceProps<Value extends string> {
  label: string;
  value: Value;
  options: readonly (readonly [Value, string])[];
  onChange: (value: Value) => void;
}

function Choice<Value extends string>({ label, value, options, onChange }: ChoiceProps<Value>) {
  return (
    <Field label={label}>
      {(control) => (
        <Select {...control} value={value} onChange={(event) => onChange(event.currentTarget.value as Value)}>
          {options.map(([each, text]) => (
            <option key={each} value={each}>
              {text}
            </option>
          ))}
        </Select>
      )}
    </Field>
  );
}

function metricsFor(kind: RuleKind): readonly string[] {
  return kind === "forecast" ? LIMITED : NAMED_METRICS;
}

/** What the server says of each field; empty when it blames none. */
function faultsOf(error: Error | null): Map<FormField | "name", string> {
  const faults = new Map<FormField | "name", string>();
  if (!(error instanceof ApiError)) return faults;
  for (const { field, rule, hint } of error.problem.errors ?? []) {
    const place = fieldOf(field);
    if (place !== null) faults.set(place, [rule, hint].filter(Boolean).map(serverWords).join("; "));
  }
  return faults;
}

/** How often it would have fired, and when. */
function Rehearsed({ found }: { found: RehearsalView }) {
  const t = useMessages(messages);
  return (
    <div className="text-sm">
      <p className="font-medium">{t.wouldHave(found.times_fired, found.series)}</p>
      {found.came_to_nothing > 0 && <p className="text-muted">{t.nothing(found.came_to_nothing)}</p>}
      {found.notes.map((note) => (
        <p key={note} className="text-muted">
          <Sentence text={note} />
        </p>
      ))}
      {found.firings.length > 0 && (
        <ul className="mt-2 divide-y divide-line rounded-md border border-line">
          {found.firings.slice(0, FIRINGS_SHOWN).map((firing) => (
            <li
              key={`${firing.subject} ${firing.fired_ms}`}
              className="tabular flex flex-wrap gap-x-3 px-3 py-1.5 text-xs"
            >
              <span className="text-muted">{formatMoment(firing.fired_ms)}</span>
              <span className="min-w-0 flex-1 break-words">{firing.text}</span>
              <span className="text-muted">
                {firing.resolved_ms === null
                  ? t.stillFires
                  : formatDuration(firing.resolved_ms - firing.fired_ms)}
              </span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
