import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { HostLiveView, SeriesView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { metricsQuery } from "@/api/queries";

export type CourseMetric = "cpu_percent" | "memory_bytes";
export type Courses = (nodeId: string, id: string, metric: CourseMetric) => SeriesView | undefined;

/** Series by what they are of: looked for in a list, each row of a long table would cost all of it. */
export function coursesOf(hosts: readonly HostLiveView[]): Courses {
  const found = new Map<string, SeriesView>();
  for (const { node_id, series } of hosts) {
    for (const each of series) {
      if (each.metric === "cpu_percent" || each.metric === "memory_bytes") {
        found.set(`${node_id} ${each.subject} ${each.metric}`, each);
      }
    }
  }
  return (nodeId, id, metric) => found.get(`${nodeId} ${id} ${metric}`);
}

const NO_HOSTS: readonly HostLiveView[] = [];

/** The last ten minutes of every container. */
export function useCourses(): Courses {
  const can = useCan();
  const { data = NO_HOSTS } = useQuery({ ...metricsQuery, enabled: can("metrics.read") });
  return useMemo(() => coursesOf(data), [data]);
}
