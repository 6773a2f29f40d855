import { said } from "@/api/alerts";
import type { AlertView, ContainerView } from "@/api/openapi";
import { GRADES, type Grade } from "./alerts-search";

/** What of the alerts is shown, in which order, and where each leads. */

const RANKS: Readonly<Record<string, number>> = { critical: 0, warning: 1, info: 2 };
const STATES: Readonly<Record<string, number>> = { firing: 0, acknowledged: 1, pending: 2, silenced: 3 };

export function shownOf(alerts: readonly AlertView[], text: string, grade: Grade | undefined): AlertView[] {
  const least = grade === undefined ? GRADES.length : (RANKS[grade] ?? 0);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return alerts.filter((alert) => {
    if ((RANKS[alert.severity] ?? 0) > least) return false;
    const { name, node_name, service_id } = alert.subject;
    const searched = [said(alert, "text"), name, node_name, service_id, alert.rule, `${alert.number}`]
      .join(" ")
      .toLowerCase();
    return words.every((word) => searched.includes(word));
  });
}

/** What needs somebody first: what is told before what is looked after, the worse, then the newer. */
export function byUrgency(one: AlertView, other: AlertView): number {
  return (
    (STATES[one.state] ?? 9) - (STATES[other.state] ?? 9) ||
    (RANKS[one.severity] ?? 9) - (RANKS[other.severity] ?? 9) ||
    other.since_ms - one.since_ms
  );
}

const HOUR_MS = 3_600_000;

/** What the explorer of metrics shows of an alert: its subject, from an hour before it began. */
export function chartOf(alert: AlertView, nowMs: number): { of: string; from: number; to: number } | null {
  const { kind, name, node_name, service_id } = alert.subject;
  const of =
    kind === "container" && node_name !== ""
      ? `container:${node_name}/${name}`
      : service_id !== ""
        ? `service:${service_id}`
        : node_name !== ""
          ? `host:${node_name}`
          : null;
  if (of === null) return null;
  const endMs = Math.min(nowMs, (alert.resolved_at_ms ?? nowMs) + HOUR_MS);
  return { of, from: alert.since_ms - HOUR_MS, to: Math.max(endMs, alert.since_ms + 60_000) };
}

/** The container an alert is about, if it is still there. */
export function containerOf(
  alert: AlertView,
  containers: readonly ContainerView[],
): ContainerView | undefined {
  if (alert.subject.kind !== "container") return undefined;
  return containers.find(
    ({ name, node_id }) => name === alert.subject.name && node_id === alert.subject.node_id,
  );
}
