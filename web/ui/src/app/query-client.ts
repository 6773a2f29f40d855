import { MutationCache, QueryClient } from "@tanstack/react-query";
import { ApiError, Unreachable } from "@/api/problem";
import { showError } from "@/components/ui/toast-store";

const RETRIES = 2;

/** A refusal stays a refusal; only what may pass by itself is asked again. */
function isTransient(error: unknown): boolean {
  return (
    error instanceof Unreachable ||
    (error instanceof ApiError && (error.status >= 500 || error.status === 429))
  );
}

/** One error policy: a failed read is shown where its data would be, a failed change as a notice. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // Live events say when something changed; until then what is here is current.
      staleTime: 30_000,
      retry: (failures, error) => failures < RETRIES && isTransient(error),
      retryDelay: (attempt) => Math.min(500 * 2 ** attempt, 4_000),
      refetchOnWindowFocus: false,
    },
    mutations: { retry: false },
  },
  mutationCache: new MutationCache({
    onError: (error, _variables, _context, mutation) => {
      if (mutation.meta?.isShownInPlace !== true) showError(error);
    },
  }),
});
