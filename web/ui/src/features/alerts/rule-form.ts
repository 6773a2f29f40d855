import type { RuleSettings } from "@/api/openapi";
import { listIn } from "@/lib/lists";
import { parseSpan, spanText } from "@/lib/spans";

/** A rule as a form: everything is text until it is saved. */

export type RuleKind = RuleSettings["kind"];

export const KINDS: readonly RuleKind[] = [
  "threshold",
  "absence",
  "anomaly",
  "forecast",
  "container-down",
  "container-unhealthy",
  "crash-loop",
  "out-of-memory",
  "host-down",
  "certificate-expiring",
  "quorum-risk",
];

export interface RuleForm {
  kind: RuleKind;
  summary: string;
  severity: RuleSettings["severity"];
  metric: string;
  side: "above" | "below";
  value: string;
  resolve: string;
  statistic: RuleSettings["statistic"];
  isPercent: boolean;
  step: string;
  for: string;
  keepFiring: string;
  remind: string;
  within: string;
  window: string;
  count: string;
  hosts: string;
  services: string;
  environments: string;
  names: string;
  hint: string;
}

export type FormField = keyof RuleForm;

/** Which fields a rule of a kind has, besides those that all have. */
const FIELDS: Record<RuleKind, readonly FormField[]> = {
  threshold: ["metric", "value", "resolve", "statistic", "step", "for"],
  absence: ["metric", "for"],
  anomaly: ["count", "for"],
  forecast: ["metric", "within", "for"],
  "container-down": ["for"],
  "container-unhealthy": ["for"],
  "crash-loop": ["count", "window"],
  "out-of-memory": ["window"],
  "host-down": ["for"],
  "certificate-expiring": ["within"],
  "backup-overdue": ["within"],
  "quorum-risk": ["count", "for"],
};

export function hasField(kind: RuleKind, field: FormField): boolean {
  return FIELDS[kind].includes(field);
}

/** What is measured over time can be tried on the record. */
export function canRehearse(kind: RuleKind): boolean {
  return kind === "threshold" || kind === "absence" || kind === "crash-loop" || kind === "out-of-memory";
}

export function formOf(settings: RuleSettings): RuleForm {
  const bound = settings.above ?? settings.below;
  return {
    kind: settings.kind,
    summary: settings.summary,
    severity: settings.severity,
    metric: settings.metric,
    side: settings.below !== null ? "below" : "above",
    value: bound === null ? "" : String(bound),
    resolve: settings.resolve === null ? "" : String(settings.resolve),
    statistic: settings.statistic,
    isPercent: settings.percent_of_limit,
    step: spanText(settings.step_s),
    for: spanText(settings.for_s),
    keepFiring: spanText(settings.keep_firing_s),
    remind: spanText(settings.remind_s),
    within: spanText(settings.within_s),
    window: spanText(settings.window_s),
    count: settings.count === 0 ? "" : String(settings.count),
    hosts: settings.hosts.join(", "),
    services: settings.services.join(", "),
    environments: settings.environments.join(", "),
    names: settings.names.join(", "),
    hint: settings.hint,
  };
}

export const NEW_RULE: RuleForm = {
  kind: "threshold",
  summary: "",
  severity: "warning",
  metric: "cpu_percent",
  side: "above",
  value: "",
  resolve: "",
  statistic: "mean",
  isPercent: false,
  step: "1m",
  for: "5m",
  keepFiring: "2m",
  remind: "",
  within: "",
  window: "",
  count: "",
  hosts: "",
  services: "",
  environments: "",
  names: "",
  hint: "",
};

const SPANS = ["step", "for", "keepFiring", "remind", "within", "window"] as const;
const NUMBERS = ["value", "resolve", "count"] as const;

/** The fields whose text is not what it should be. The rest is the server's to judge. */
export function wrongFields(form: RuleForm): Partial<Record<FormField, "span" | "number">> {
  const wrong: Partial<Record<FormField, "span" | "number">> = {};
  for (const field of SPANS)
    if (isShown(form, field) && parseSpan(form[field]) === null) wrong[field] = "span";
  for (const field of NUMBERS)
    if (isShown(form, field) && numberOf(form[field]) === undefined) wrong[field] = "number";
  return wrong;
}

function isShown(form: RuleForm, field: FormField): boolean {
  return field === "keepFiring" || field === "remind" || hasField(form.kind, field);
}

/** What is saved. `before` keeps what the form does not show: labels, looks, whether it is on. */
export function settingsOf(form: RuleForm, before: RuleSettings | null): RuleSettings {
  const has = (field: FormField) => hasField(form.kind, field);
  const seconds = (field: (typeof SPANS)[number]) =>
    isShown(form, field) ? (parseSpan(form[field]) ?? 0) : 0;
  const value = has("value") ? (numberOf(form.value) ?? null) : null;
  const isSameKind = before?.kind === form.kind;
  return {
    kind: form.kind,
    summary: form.summary.trim(),
    severity: form.severity,
    enabled: before?.enabled ?? true,
    kinds: isSameKind ? before.kinds : [],
    hosts: listIn(form.hosts),
    services: listIn(form.services),
    environments: listIn(form.environments),
    names: listIn(form.names),
    match: before?.match ?? {},
    metric: has("metric") ? form.metric : "",
    above: form.side === "above" ? value : null,
    below: form.side === "below" ? value : null,
    resolve: has("resolve") ? (numberOf(form.resolve) ?? null) : null,
    statistic: has("statistic") ? form.statistic : "mean",
    step_s: has("step") ? seconds("step") : 60,
    percent_of_limit: has("value") && form.isPercent,
    for_s: seconds("for"),
    looks_min: isSameKind ? before.looks_min : 0,
    looks: isSameKind ? before.looks : 0,
    keep_firing_s: seconds("keepFiring"),
    remind_s: seconds("remind"),
    within_s: seconds("within"),
    window_s: seconds("window"),
    count: has("count") ? (numberOf(form.count) ?? 0) : isSameKind ? before.count : 0,
    labels: before?.labels ?? {},
    hint: form.hint.trim(),
  };
}

/** null for nothing, undefined for what is no number. A comma is a decimal sign, too. */
function numberOf(text: string): number | null | undefined {
  const trimmed = text.trim().replace(",", ".");
  if (trimmed === "") return null;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : undefined;
}

/** What the server calls a field, as the form does. */
const NAMES: Readonly<Record<string, FormField>> = {
  above: "value",
  below: "value",
  for_s: "for",
  keep_firing_s: "keepFiring",
  remind_s: "remind",
  within_s: "within",
  window_s: "window",
  step_s: "step",
  percent_of_limit: "value",
};

export function fieldOf(name: string): FormField | "name" | null {
  if (name === "name") return "name";
  return NAMES[name] ?? (name in NEW_RULE ? (name as FormField) : null);
}
