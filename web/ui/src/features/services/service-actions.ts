import { useMutation, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { RolloutView, ServiceChanged, ServiceView, Steer } from "@/api/openapi";
import { canOn } from "@/api/permissions";
import { auditQuery, rolloutsQuery, servicesQuery } from "@/api/queries";
import { showDone } from "@/components/ui/toast-store";
import { textsOf } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { messages } from "./messages";

export type Verb = Steer | "rollback" | "restart" | "retry";

interface VerbInfo {
  /** The action the server decides on. */
  permission: string;
  isDangerous: boolean;
}

export const VERBS: Record<Verb, VerbInfo> = {
  approve: { permission: "rollout.approve", isDangerous: false },
  pause: { permission: "rollout.pause", isDangerous: false },
  resume: { permission: "rollout.resume", isDangerous: false },
  promote: { permission: "rollout.promote", isDangerous: true },
  abort: { permission: "rollout.abort", isDangerous: true },
  retry: { permission: "rollout.retry", isDangerous: false },
  rollback: { permission: "service.rollback", isDangerous: true },
  restart: { permission: "service.restart", isDangerous: false },
};

/** The order of the buttons: what goes on first, what goes back last. */
const STEERS: readonly Steer[] = ["approve", "resume", "pause", "promote", "abort"];

/** What can be asked of a rollout as it is, and this person may ask. Of its service is known what that is. */
export function steersOf(
  rollout: RolloutView,
  service: ServiceView | undefined,
  can: (action: string) => boolean,
): Steer[] {
  const canHere = canOn(service ?? {}, can);
  return STEERS.filter((steer) => rollout.can.includes(steer) && canHere(VERBS[steer].permission));
}

/** What can be asked of a service with no rollout under way. */
export function verbsOf(service: ServiceView, can: (action: string) => boolean): Verb[] {
  const isBusy = service.rollout_id !== null || service.status === "removing";
  const sensible: Verb[] = isBusy || service.stable_revision === 0 ? [] : ["restart"];
  if (!isBusy && service.stable_revision > 1) sensible.push("rollback");
  const canHere = canOn(service, can);
  return sensible.filter((verb) => canHere(VERBS[verb].permission));
}

/** A rollout that did not get to its end can be tried again while its revision is still the one that is wanted. */
export function canRetry(
  rollout: RolloutView,
  service: ServiceView | undefined,
  can: (action: string) => boolean,
): boolean {
  const hasFailed =
    rollout.phase === "failed" || rollout.phase === "rolled-back" || rollout.phase === "cancelled";
  return (
    hasFailed &&
    service !== undefined &&
    service.rollout_id === null &&
    service.revision === rollout.to_revision &&
    canOn(service, can)(VERBS.retry.permission)
  );
}

/** Pausing and going on can be undone by the other: they need no second thought. */
export function needsConfirmation(verb: Verb): boolean {
  return verb !== "pause" && verb !== "resume";
}

export interface ServiceRequest {
  service: ServiceView;
  rollout: RolloutView | null;
  verb: Verb;
  /** The revision to go back to; left out, the last that was stable before. */
  to?: number;
}

/** Ask for it, and say what came of it. */
export function useServiceAction() {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: ({ service, rollout, verb, to }: ServiceRequest): Promise<ServiceChanged | RolloutView> => {
      const isOfService = verb === "rollback" || verb === "restart";
      const path = isOfService
        ? `/services/${encodeURIComponent(service.id)}/${verb}`
        : `/rollouts/${encodeURIComponent(rollout?.id ?? service.id)}/${verb}`;
      return request(path, { method: "POST", body: to === undefined ? {} : { to } });
    },
    onSuccess: (answer, { service, verb }) => {
      const t = textsOf(messages);
      showDone(
        `${t.done[verb]}: ${service.id}`,
        serverWords("done" in answer ? answer.done : answer.progress),
      );
    },
    onSettled: refresh,
  });
}

/** What changes with every change of a service is asked for again. */
export function useRefresh(): () => Promise<void> {
  const client = useQueryClient();
  return () => {
    void client.invalidateQueries({ queryKey: auditQuery.queryKey });
    void client.invalidateQueries({ queryKey: rolloutsQuery.queryKey });
    void client.invalidateQueries({ queryKey: ["service"] });
    return client.invalidateQueries({ queryKey: servicesQuery.queryKey });
  };
}
