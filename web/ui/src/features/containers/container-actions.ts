import { useMutation, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { ContainerActed, ContainerView } from "@/api/openapi";
import { canOn } from "@/api/permissions";
import { auditQuery, containersQuery } from "@/api/queries";
import { showDone, showError } from "@/components/ui/toast-store";
import { textsOf } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { messages } from "./action-messages";
import { isRunning } from "./container-state";

export const VERBS = ["start", "unpause", "restart", "stop", "pause", "kill", "remove"] as const;
export type Verb = (typeof VERBS)[number];

/** The action the server decides on. */
export const PERMISSION: Record<Verb, string> = {
  start: "container.start",
  unpause: "container.start",
  restart: "container.restart",
  stop: "container.stop",
  pause: "container.stop",
  kill: "container.stop",
  remove: "container.remove",
};

/** What takes an action back. */
const UNDO: Partial<Record<Verb, Verb>> = {
  start: "stop",
  stop: "start",
  pause: "unpause",
  unpause: "pause",
};

/** Done without asking: they can be undone, and harm nobody who uses the container. */
const AT_ONCE: readonly Verb[] = ["start", "unpause", "pause"];

export function needsAsking(verb: Verb): boolean {
  return !AT_ONCE.includes(verb);
}

/** What takes this back; null where nothing does, or where the cluster itself does. */
export function undoOf(verb: Verb, container: ContainerView): Verb | null {
  return container.is_managed ? null : (UNDO[verb] ?? null);
}

/** What makes sense for a container as it is, and this person may do. */
export function verbsOf(container: ContainerView, can: (action: string) => boolean): Verb[] {
  const canHere = canOn(container, can);
  return sensibleFor(container).filter((verb) => canHere(PERMISSION[verb]));
}

function sensibleFor(container: ContainerView): Verb[] {
  if (container.state === "paused") return ["unpause", "stop", "kill", "remove"];
  return isRunning(container) ? ["restart", "stop", "pause", "kill", "remove"] : ["start", "remove"];
}

/** Of some containers, those an action is for, and those it is not: for their state, or for want of permission. */
export interface Divided {
  fit: ContainerView[];
  unfit: ContainerView[];
  denied: ContainerView[];
}

export function divide(
  verb: Verb,
  containers: readonly ContainerView[],
  can: (action: string) => boolean,
): Divided {
  const divided: Divided = { fit: [], unfit: [], denied: [] };
  for (const container of containers) {
    if (!canOn(container, can)(PERMISSION[verb])) divided.denied.push(container);
    else if (sensibleFor(container).includes(verb)) divided.fit.push(container);
    else divided.unfit.push(container);
  }
  return divided;
}

export interface ContainerRequest {
  container: ContainerView;
  verb: Verb;
}

/** Do it, on the host that has the container. Gives what is going to happen by itself. */
export async function actOn({ container, verb }: ContainerRequest): Promise<string> {
  const path = `/containers/${encodeURIComponent(container.id)}`;
  const acted = await (verb === "remove"
    ? request<ContainerActed | undefined>(path, {
        method: "DELETE",
        query: { node: container.node_id, force: isRunning(container) },
      })
    : request<ContainerActed | undefined>(`${path}/${verb}`, {
        method: "POST",
        query: { node: container.node_id },
      }));
  return serverWords(acted?.note ?? "");
}

/** Ask again for what an action changes. */
export function useRefresh(): () => Promise<void> {
  const client = useQueryClient();
  return () => {
    void client.invalidateQueries({ queryKey: auditQuery.queryKey });
    return client.invalidateQueries({ queryKey: containersQuery.queryKey });
  };
}

/** Do one thing to one container, say so, and offer to take it back. */
export function useContainerAction() {
  const refresh = useRefresh();
  const undo = async (asked: ContainerRequest) => {
    try {
      const note = await actOn(asked);
      say(asked, note);
    } catch (error) {
      showError(error);
    } finally {
      void refresh();
    }
  };
  return useMutation({
    mutationFn: actOn,
    onSuccess: (note, { container, verb }) => {
      const back = undoOf(verb, container);
      const run = back === null ? undefined : () => void undo({ container, verb: back });
      say({ container, verb }, note, run);
    },
    onSettled: refresh,
  });
}

function say({ container, verb }: ContainerRequest, note: string, undo?: () => void): void {
  const t = textsOf(messages);
  const action = undo === undefined ? undefined : { label: t.undo, run: undo };
  showDone(t.done[verb](container.name, container.node_name), note, action);
}
