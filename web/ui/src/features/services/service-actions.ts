import { useMutation, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { RolloutView, ServiceChanged, ServiceView, Steer } from "@/api/openapi";
import { auditQuery, rolloutsQuery, servicesQuery } from "@/api/queries";
import { showDone } from "@/components/ui/toast-store";

export type Verb = Steer | "rollback" | "restart";

interface VerbWords {
  /** The action the server decides on. */
  permission: string;
  label: string;
  done: string;
  isDangerous: boolean;
}

export const VERBS: Record<Verb, VerbWords> = {
  approve: { permission: "rollout.approve", label: "Approve", done: "Approved", isDangerous: false },
  pause: { permission: "rollout.pause", label: "Pause", done: "Paused", isDangerous: false },
  resume: { permission: "rollout.resume", label: "Resume", done: "Resumed", isDangerous: false },
  promote: { permission: "rollout.promote", label: "Promote", done: "Promoted", isDangerous: true },
  abort: { permission: "rollout.abort", label: "Abort", done: "Aborted", isDangerous: true },
  rollback: { permission: "service.rollback", label: "Roll back", done: "Rolling back", isDangerous: true },
  restart: { permission: "service.restart", label: "Restart", done: "Restarting", isDangerous: false },
};

/** The order of the buttons: what goes on first, what goes back last. */
const STEERS: readonly Steer[] = ["approve", "resume", "pause", "promote", "abort"];

/** What can be asked of a rollout as it is, and this person may ask. */
export function steersOf(rollout: RolloutView, can: (action: string) => boolean): Steer[] {
  return STEERS.filter((steer) => rollout.can.includes(steer) && can(VERBS[steer].permission));
}

/** What can be asked of a service with no rollout under way. */
export function verbsOf(service: ServiceView, can: (action: string) => boolean): Verb[] {
  const isBusy = service.rollout_id !== null || service.status === "removing";
  const sensible: Verb[] = isBusy || service.stable_revision === 0 ? [] : ["restart"];
  if (!isBusy && service.stable_revision > 1) sensible.push("rollback");
  return sensible.filter((verb) => can(VERBS[verb].permission));
}

/** Pausing and going on can be undone by the other: they need no second thought. */
export function needsConfirmation(verb: Verb): boolean {
  return verb !== "pause" && verb !== "resume";
}

export interface ServiceRequest {
  service: ServiceView;
  rollout: RolloutView | null;
  verb: Verb;
}

/** Ask for it, and say what came of it. */
export function useServiceAction() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ service, rollout, verb }: ServiceRequest): Promise<ServiceChanged | RolloutView> => {
      const path =
        verb === "rollback" || verb === "restart"
          ? `/services/${encodeURIComponent(service.id)}/${verb}`
          : `/rollouts/${encodeURIComponent(rollout?.id ?? service.id)}/${verb}`;
      return request(path, { method: "POST", body: {} });
    },
    onSuccess: (answer, { service, verb }) => {
      showDone(`${VERBS[verb].done}: ${service.id}`, "done" in answer ? answer.done : answer.progress);
    },
    onSettled: () => {
      void client.invalidateQueries({ queryKey: auditQuery.queryKey });
      void client.invalidateQueries({ queryKey: rolloutsQuery.queryKey });
      return client.invalidateQueries({ queryKey: servicesQuery.queryKey });
    },
  });
}
