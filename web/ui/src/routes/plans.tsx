import { PlansPage } from "@/features/plans/plans-page";

export function PlansRoute() {
  return <PlansPage />;
}
