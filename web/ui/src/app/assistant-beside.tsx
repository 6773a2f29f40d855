import Assistant from "@/features/assistant/assistant";
import { PlanCard } from "@/features/plans/plan-card";

/** The assistant, whose proposals are plans. */
export default function AssistantBeside() {
  return <Assistant renderPlan={(id) => <PlanCard id={id} />} />;
}
