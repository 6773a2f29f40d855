import { useMutation, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { ContainerActed, ContainerView } from "@/api/openapi";
import { auditQuery, containersQuery } from "@/api/queries";
import { showDone } from "@/components/ui/toast-store";
import { isRunning } from "./container-state";

export type Verb = "start" | "stop" | "restart" | "unpause" | "remove";

interface VerbWords {
  /** The action the server decides on. */
  permission: string;
  label: string;
  done: string;
}

export const VERBS: Record<Verb, VerbWords> = {
  start: { permission: "container.start", label: "Start", done: "Started" },
  unpause: { permission: "container.start", label: "Resume", done: "Resumed" },
  restart: { permission: "container.restart", label: "Restart", done: "Restarted" },
  stop: { permission: "container.stop", label: "Stop", done: "Stopped" },
  remove: { permission: "container.remove", label: "Remove", done: "Removed" },
};

/** What makes sense for a container as it is, and this person may do. */
export function verbsOf(container: ContainerView, can: (action: string) => boolean): Verb[] {
  const sensible: Verb[] =
    container.state === "paused"
      ? ["unpause", "stop", "remove"]
      : isRunning(container)
        ? ["restart", "stop", "remove"]
        : ["start", "remove"];
  return sensible.filter((verb) => can(VERBS[verb].permission));
}

export interface ContainerRequest {
  container: ContainerView;
  verb: Verb;
}

/** Do it, on the host that has the container, and say so. */
export function useContainerAction() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ container, verb }: ContainerRequest) => {
      const path = `/containers/${encodeURIComponent(container.id)}`;
      return verb === "remove"
        ? request<ContainerActed | undefined>(path, {
            method: "DELETE",
            query: { node: container.node_id, force: isRunning(container) },
          })
        : request<ContainerActed | undefined>(`${path}/${verb}`, {
            method: "POST",
            query: { node: container.node_id },
          });
    },
    onSuccess: (acted, { container, verb }) => {
      showDone(`${VERBS[verb].done} ${container.name} on ${container.node_name}`, acted?.note);
    },
    onSettled: () => {
      void client.invalidateQueries({ queryKey: auditQuery.queryKey });
      return client.invalidateQueries({ queryKey: containersQuery.queryKey });
    },
  });
}
