import { queryOptions } from "@tanstack/react-query";
import { language, translated } from "@/lib/i18n";
import { request } from "./client";
import type {
  AlertPage,
  AlertView,
  RehearsalView,
  RuleSettings,
  RuleView,
  SilenceBody,
  SilenceView,
} from "./openapi";

/** Alerts that are over, the rules behind them, and silences. Open alerts are in `queries.ts`. */

const PAST_LIMIT = 200;
const RULES_LIMIT = 500;

export const pastAlertsQuery = queryOptions({
  queryKey: ["alerts", "past"],
  queryFn: async ({ signal }) =>
    (
      await request<AlertPage>("/alerts", {
        query: { state: "resolved", limit: PAST_LIMIT, language: "en" },
        signal,
      })
    ).items,
});

export const rulesQuery = queryOptions({
  queryKey: ["alert-rules"],
  queryFn: async ({ signal }) =>
    (await request<{ items: RuleView[] }>("/alert-rules", { query: { limit: RULES_LIMIT }, signal })).items,
});

export const silencesQuery = queryOptions({
  queryKey: ["silences"],
  queryFn: async ({ signal }) =>
    (await request<{ items: SilenceView[] }>("/silences", { query: { limit: RULES_LIMIT }, signal })).items,
});

export type Sentence = "text" | "next_step" | "usual" | "resolution" | "muted_by";

/** What the server calls a sentence among translations, where that differs. */
const FIELDS: Partial<Record<Sentence, string>> = { next_step: "hint" };

/** A sentence of an alert in the language that is shown. */
export function said(alert: AlertView, sentence: Sentence): string {
  const field = FIELDS[sentence] ?? sentence;
  const found = alert.translations[`${language()}.${field}`];
  return translated(alert[sentence], found === undefined ? null : { [language()]: found });
}

export function acknowledge(number: number, comment: string, withdrawn = false): Promise<AlertView> {
  return request(`/alerts/${number}/acknowledge`, { method: "POST", body: { comment, withdrawn } });
}

export function putSilence(silence: Partial<SilenceBody> & { comment: string }): Promise<SilenceView> {
  return request("/silences", { method: "POST", body: silence });
}

export function endSilence(id: string): Promise<void> {
  return request(`/silences/${encodeURIComponent(id)}`, { method: "DELETE" });
}

export function putRule(name: string, settings: RuleSettings): Promise<RuleView> {
  return request(`/alert-rules/${encodeURIComponent(name)}`, { method: "PUT", body: settings });
}

export function removeRule(name: string): Promise<void> {
  return request(`/alert-rules/${encodeURIComponent(name)}`, { method: "DELETE" });
}

/** What a rule would have done in the last days. */
export function rehearse(name: string, settings: RuleSettings, days: number): Promise<RehearsalView> {
  return request(`/alert-rules/${encodeURIComponent(name)}/test`, {
    method: "POST",
    body: { rule: settings, days },
  });
}
