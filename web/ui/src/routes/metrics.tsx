import { MetricsPage } from "@/features/metrics/metrics-page";

export function MetricsRoute() {
  return <MetricsPage />;
}
