import { useParams } from "@tanstack/react-router";
import { PlanPage } from "@/features/plans/plan-page";

export function PlanRoute() {
  const { plan }: { plan?: string } = useParams({ strict: false });
  return <PlanPage key={plan} id={plan ?? ""} />;
}
