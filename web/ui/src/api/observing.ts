import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { language } from "@/lib/i18n";
import type { TimeRange } from "@/lib/time-range";
import { request, urlOf } from "./client";
import type {
  AnomaliesView,
  CapacityView,
  CorrelationsView,
  MarkersView,
  MeasuredView,
  MetricsHistoryView,
  NeedsView,
  SizingsView,
  TrendView,
} from "./openapi";

/** Reads of what was measured, and of what it means. */

export type HistoryQuery = Readonly<Record<string, string | number | boolean>>;

const ANALYSIS_FRESH_MS = 60_000;
/** Analyses read a month of everything, and wait for each other: they take longer than a list. */
const ANALYSIS_PATIENCE_MS = 40_000;
const HISTORY_PATIENCE_MS = 15_000;

export const historyQuery = (query: HistoryQuery, range: TimeRange, points: number) =>
  queryOptions({
    queryKey: ["history", query, range.startMs, range.endMs, points],
    queryFn: ({ signal }) =>
      request<MetricsHistoryView>("/metrics/history", {
        query: { ...query, since: range.startMs, until: range.endMs, points },
        signal,
        patienceMs: HISTORY_PATIENCE_MS,
      }),
    // The chart keeps what it shows until the next values are there.
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 120_000,
  });

/** The newest values of some series, asked for again and again. */
export const recentQuery = (query: HistoryQuery, since: string, everyMs: number) =>
  queryOptions({
    queryKey: ["recent", query, since],
    queryFn: ({ signal }) =>
      request<MetricsHistoryView>("/metrics/history", { query: { ...query, since }, signal }),
    refetchInterval: everyMs,
  });

export const markersQuery = (about: Readonly<Record<string, string>>, range: TimeRange) =>
  queryOptions({
    queryKey: ["markers", about, range.startMs, range.endMs, language()],
    queryFn: ({ signal }) =>
      request<MarkersView>("/metrics/markers", {
        query: { ...about, since: range.startMs, until: range.endMs, language: language() },
        signal,
        patienceMs: HISTORY_PATIENCE_MS,
      }),
    placeholderData: keepPreviousData,
    staleTime: ANALYSIS_FRESH_MS,
  });

export const correlationsQuery = (
  selection: TimeRange,
  about: { subject: string; metric: string } | undefined,
) =>
  queryOptions({
    queryKey: ["correlations", selection, about],
    queryFn: ({ signal }) =>
      request<CorrelationsView>("/analytics/correlations", {
        query: { since: selection.startMs, until: selection.endMs, ...about },
        signal,
        patienceMs: ANALYSIS_PATIENCE_MS,
      }),
    staleTime: Number.POSITIVE_INFINITY,
  });

export const anomaliesQuery = (subject: string, since: number | string) =>
  queryOptions({
    queryKey: ["anomalies", subject, since, language()],
    queryFn: ({ signal }) =>
      request<AnomaliesView>("/analytics/anomalies", {
        query: { subject, since, language: language() },
        signal,
        patienceMs: ANALYSIS_PATIENCE_MS,
      }),
    placeholderData: keepPreviousData,
    staleTime: ANALYSIS_FRESH_MS,
  });

export const forecastQuery = (subject: string, metric: string) =>
  queryOptions({
    queryKey: ["forecast", subject, metric, language()],
    queryFn: ({ signal }) =>
      request<NeedsView>("/analytics/forecast", {
        query: { subject, metric, language: language() },
        signal,
        patienceMs: ANALYSIS_PATIENCE_MS,
      }),
    staleTime: 5 * ANALYSIS_FRESH_MS,
  });

export const trendQuery = (subject: string, metric: string) =>
  queryOptions({
    queryKey: ["trend", subject, metric, language()],
    queryFn: ({ signal }) =>
      request<TrendView>("/analytics/trend", {
        query: { subject, metric, language: language() },
        signal,
        patienceMs: ANALYSIS_PATIENCE_MS,
      }),
    staleTime: 5 * ANALYSIS_FRESH_MS,
  });

export interface WhatIf {
  lost?: string | undefined;
  service?: string | undefined;
  replicas?: number | undefined;
}

export const capacityQuery = (whatIf: WhatIf = {}) =>
  queryOptions({
    queryKey: ["capacity", whatIf, language()],
    queryFn: ({ signal }) =>
      request<CapacityView>("/analytics/capacity", {
        query: { ...whatIf, language: language() },
        signal,
        patienceMs: ANALYSIS_PATIENCE_MS,
      }),
    placeholderData: keepPreviousData,
    staleTime: 5 * ANALYSIS_FRESH_MS,
  });

const MEASURED_PAGE = 1_000;

/** Everything of these kinds that was measured, once; containers that were replaced are there too. */
export const measuredQuery = (kind: "host" | "container" | "route" | "disk") =>
  queryOptions({
    queryKey: ["measured", kind],
    queryFn: async ({ signal }) =>
      (
        await request<{ items: MeasuredView[] }>("/metrics/subjects", {
          query: { kind, limit: MEASURED_PAGE },
          signal,
        })
      ).items,
    staleTime: ANALYSIS_FRESH_MS,
  });

export const REPORT_FORMATS = ["html", "markdown", "csv", "json"] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

/** Where a report can be downloaded. */
export function reportUrl(format: ReportFormat): string {
  return urlOf("/analytics/report", { format, language: language() });
}

export const sizingQuery = queryOptions({
  queryKey: ["sizing"],
  queryFn: ({ signal }) =>
    request<SizingsView>("/analytics/sizing", { signal, patienceMs: ANALYSIS_PATIENCE_MS }),
  staleTime: 5 * ANALYSIS_FRESH_MS,
});
