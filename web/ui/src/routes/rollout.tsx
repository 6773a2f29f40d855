import { useParams } from "@tanstack/react-router";
import { usePageSearch, wholeIn } from "@/components/page-search";
import { RolloutPage } from "@/features/services/rollout-page";

export interface RolloutSearch {
  /** The revision that was just asked for. */
  revision?: number | undefined;
}

function parse(raw: Record<string, unknown>): RolloutSearch {
  return { revision: wholeIn(raw.revision) };
}

export function RolloutRoute() {
  const { rollout }: { rollout?: string } = useParams({ strict: false });
  const [{ revision }] = usePageSearch(parse);
  return <RolloutPage key={rollout} reference={rollout ?? ""} revision={revision} />;
}
