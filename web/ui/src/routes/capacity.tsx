import { CapacityPage } from "@/features/capacity/capacity-page";

export function CapacityRoute() {
  return <CapacityPage />;
}
