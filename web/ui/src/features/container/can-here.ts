import { useQuery } from "@tanstack/react-query";
import { useCallback } from "react";
import { useCan } from "@/api/permissions";
import { powersQuery, type Which } from "./container-queries";

/**
 * What this person may do to this container. What they may do to some container can be more: roles are bound to
 * projects, services and labels too. Until the server has said so of this one, and while its host is silent, it is
 * that; the server refuses what it has to.
 */
export function useCanHere(container: Which): (action: string) => boolean {
  const canSomewhere = useCan();
  const { data: here } = useQuery(powersQuery(container));
  return useCallback((action) => mayHere(action, here, canSomewhere), [here, canSomewhere]);
}

export function mayHere(
  action: string,
  here: readonly string[] | undefined,
  canSomewhere: (action: string) => boolean,
): boolean {
  return here === undefined ? canSomewhere(action) : here.includes(action);
}
