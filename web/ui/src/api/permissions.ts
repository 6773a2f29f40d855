import { useQuery } from "@tanstack/react-query";
import { useCallback } from "react";
import { meQuery } from "./session";

/** What the server says this person may do: names of actions, such as `container.restart`. */
export function useCan(): (action: string) => boolean {
  const { data } = useQuery(meQuery);
  const permissions = data?.permissions;
  // The same function until that changes: rows of long lists are given it.
  return useCallback((action) => permissions?.includes(action) ?? false, [permissions]);
}
