import { useEffect, useState } from "react";
import { ApiError } from "@/api/problem";
import { useNow } from "@/lib/clock";

/** How many seconds are left until it is worth trying again, counted down; 0: now. */
export function useWait(error: Error | null): number {
  const now = useNow();
  const [until, setUntil] = useState(0);
  useEffect(() => {
    const seconds = error instanceof ApiError && error.status === 429 ? error.retryAfterS : null;
    setUntil(seconds === null ? 0 : Date.now() + seconds * 1_000);
  }, [error]);
  // `now` only has it counted again: the wait is by this page's own clock.
  return now === 0 ? 0 : Math.max(0, Math.ceil((until - Date.now()) / 1_000));
}
