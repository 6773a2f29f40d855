import { useQuery } from "@tanstack/react-query";
import { useCallback } from "react";
import { meQuery } from "./session";

/** Something in a list, of which the server says what may be done to it where that is not the same for all. */
export interface Ruled {
  can?: readonly string[] | null;
}

/** What may be done to this one: what the server says of it, else what may be done to all of its kind. */
export function canOn(one: Ruled, can: (action: string) => boolean): (action: string) => boolean {
  const own = one.can;
  return own === undefined || own === null ? can : (action) => own.includes(action);
}

/** What the server says this person may do: names of actions, such as `container.restart`. */
export function useCan(): (action: string) => boolean {
  const { data } = useQuery(meQuery);
  const permissions = data?.permissions;
  // The same function until that changes: rows of long lists are given it.
  return useCallback((action) => permissions?.includes(action) ?? false, [permissions]);
}
