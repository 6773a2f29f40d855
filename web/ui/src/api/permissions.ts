import { useQuery } from "@tanstack/react-query";
import { meQuery } from "./session";

/** What the server says this person may do: names of actions, such as `container.restart`. */
export function useCan(): (action: string) => boolean {
  const { data } = useQuery(meQuery);
  return (action) => data?.permissions.includes(action) ?? false;
}
