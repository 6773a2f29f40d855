import { useMutation, useQueryClient } from "@tanstack/react-query";
import { showDone } from "@/components/ui/toast-store";

/** Something that is asked of plans, windows or freezes; afterwards all of them are asked for again. */
export function usePlanningChange<Given>(
  ask: (given: Given) => Promise<unknown>,
  said: (given: Given) => string,
  { isShownInPlace = false, onDone }: { isShownInPlace?: boolean; onDone?: () => void } = {},
) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ask,
    meta: { isShownInPlace },
    onSuccess: (_, given) => {
      showDone(said(given));
      onDone?.();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["planning"] }),
  });
}
