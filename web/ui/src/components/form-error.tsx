import { CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { ApiError } from "@/api/problem";
import { Sentence } from "@/components/sentence";
import { serverWords } from "@/lib/sentences";

interface FormErrorProps {
  error: Error | null;
  /** Fields that say themselves what is wrong with them (`errorOf`). */
  fields?: readonly string[];
}

/** What was wrong with a form as a whole, with the next step; nothing where one of its fields says it. */
export function FormError({ error, fields = [] }: FormErrorProps) {
  if (error === null || fields.some((field) => errorOf(error, field) !== undefined)) return null;
  return (
    <Refusal title={error instanceof ApiError ? <Sentence text={error.message} /> : error.message}>
      {error instanceof ApiError && <Hints error={error} />}
    </Refusal>
  );
}

/** What to do about it. */
export function Hints({ error }: { error: ApiError }) {
  return error.hints.map((hint) => (
    <p key={hint}>
      <Sentence text={hint} />
    </p>
  ));
}

/** Why something did not work, in words of this page. */
export function Refusal({ title, children }: { title: ReactNode; children?: ReactNode }) {
  return (
    <div role="alert" className="flex items-start gap-2 rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
      <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
      <div className="min-w-0">
        <p>{title}</p>
        {children}
      </div>
    </div>
  );
}

/** What is wrong with one field, by the server's word. */
export function errorOf(error: Error | null, field: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const wrong = error.problem.errors?.find(
    (each) => each.field === field || each.field.endsWith(`.${field}`),
  );
  return wrong === undefined ? undefined : serverWords(wrong.rule);
}
