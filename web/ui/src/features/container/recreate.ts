import { request, send } from "@/api/client";
import type { ContainerView, RecreationPlan } from "@/api/openapi";
import { textsOf } from "@/lib/i18n";
import { Ndjson } from "@/lib/ndjson";
import { pathOf, type Which } from "./container-queries";
import type { Changes } from "./recreate-draft";
import { messages } from "./settings-messages";

/** Having a container made anew: first what that would do, then doing it, told step by step. */

export const STAGES = [
  "pulling",
  "creating",
  "stopping",
  "starting",
  "checking",
  "removing",
  "restoring",
  "done",
  "restored",
] as const;
export type Stage = (typeof STAGES)[number];

export interface Step {
  stage: Stage;
  text: string;
  container_id: string;
}

/** What is about to be done to which container. */
export interface Planned {
  container: ContainerView;
  plan: RecreationPlan;
  changes: Changes;
}

export function planOf(container: Which, changes: Changes): Promise<RecreationPlan> {
  return request<RecreationPlan>(pathOf(container, "/recreate/plan"), {
    method: "POST",
    body: changes,
    query: { node: container.node_id },
  });
}

/** The id of the new container. Raises ApiError, or an Error with the host's words when the old one is back. */
export async function recreate(
  container: Which,
  plan: RecreationPlan,
  changes: Changes,
  onStep: (step: Step) => void,
): Promise<string> {
  const response = await send(pathOf(container, "/recreate"), {
    method: "POST",
    body: { ...changes, container_id: plan.container_id },
    query: { node: container.node_id },
    accept: "application/x-ndjson",
  });
  const lines = new Ndjson<Step | { error: string }>();
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const piece = await reader?.read();
    if (piece === undefined || piece.done) break;
    for (const line of lines.push(piece.value)) {
      if ("error" in line) throw new Error(line.error);
      onStep(line);
      if (line.stage === "done") return line.container_id;
    }
  }
  throw new Error(textsOf(messages).brokenOff);
}
