import { AlertsPage } from "@/features/alerts/alerts-page";

export function AlertsRoute() {
  return <AlertsPage />;
}
