import { type ReactNode, Suspense, useState } from "react";
import type { RolloutView, ServiceView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { lazily } from "@/lib/fetched";
import { needsConfirmation, type ServiceRequest, useServiceAction, type Verb } from "./service-actions";

const ConfirmServiceAction = lazily(() => import("./confirm-service-action"));

export interface Actions {
  can: (action: string) => boolean;
  isPending: boolean;
  onVerb: (service: ServiceView, rollout: RolloutView | null, verb: Verb, to?: number) => void;
}

/** What can be asked of services and rollouts, and the window that asks back. */
export function useActions(): { actions: Actions; window: ReactNode } {
  const can = useCan();
  const action = useServiceAction();
  const [asked, setAsked] = useState<ServiceRequest | null>(null);
  const actions: Actions = {
    can,
    isPending: action.isPending,
    onVerb: (service, rollout, verb, to) => {
      const request = { service, rollout, verb, ...(to === undefined ? {} : { to }) };
      if (needsConfirmation(verb)) setAsked(request);
      else action.mutate(request);
    },
  };
  const window = asked !== null && (
    <Suspense fallback={null}>
      <ConfirmServiceAction
        request={asked}
        isPending={action.isPending}
        onConfirm={() => action.mutate(asked, { onSettled: () => setAsked(null) })}
        onCancel={() => setAsked(null)}
      />
    </Suspense>
  );
  return { actions, window };
}
