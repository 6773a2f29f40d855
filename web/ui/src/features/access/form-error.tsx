import { CircleAlert } from "lucide-react";
import { ApiError } from "@/api/problem";

/** What was wrong with a form as a whole, with the next step. */
export function FormError({ error }: { error: Error | null }) {
  if (error === null) return null;
  return (
    <div role="alert" className="flex items-start gap-2 rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
      <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
      <div>
        <p>{error.message}</p>
        {error instanceof ApiError && error.hints.map((hint) => <p key={hint}>{hint}</p>)}
      </div>
    </div>
  );
}
