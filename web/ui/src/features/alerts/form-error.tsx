import { ApiError } from "@/api/problem";

/** Why a form was refused, where no field is to blame. */
export function FormError({ error }: { error: Error | null }) {
  if (error === null) return null;
  const hints = error instanceof ApiError ? error.hints : [];
  return (
    <p role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
      {[error.message, ...hints].join(" ")}
    </p>
  );
}
