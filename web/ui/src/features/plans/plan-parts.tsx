import type { ReactNode } from "react";
import type { FieldChange, PlanChange, PlanView } from "@/api/openapi";
import { FieldChanges } from "@/components/field-changes";
import { useMessages } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { messages } from "./messages";

/** What a plan changes of what is set, subject by subject. */
export function Changes({ plan }: { plan: PlanView }) {
  const t = useMessages(messages);
  if (plan.changes.length === 0) return <p className="py-2 text-sm text-muted">{t.noChanges}</p>;
  return bySubject(plan.changes).map(([subject, changes]) => (
    <div key={subject} className="py-2">
      {subject !== "" && <h3 className="text-sm font-medium break-words">{subject}</h3>}
      <FieldChanges changes={changes} label={t.changesOf(subject || serverWords(plan.summary))} />
    </div>
  ));
}

const KINDS = ["services", "containers", "hosts", "routes"] as const;

/** What it touches, as far as that is known before. */
export function Touched({ plan }: { plan: PlanView }) {
  const t = useMessages(messages);
  const kinds = KINDS.filter((kind) => plan.touches[kind].length > 0);
  if (kinds.length === 0) return <p className="p-4 text-sm text-muted">{t.nothing}</p>;
  return (
    <>
      <dl className="grid grid-cols-[max-content_1fr] gap-x-6 gap-y-2 p-4 text-sm">
        {kinds.map((kind) => (
          <Fact key={kind} name={t[kind]}>
            {plan.touches[kind].join(", ")}
          </Fact>
        ))}
      </dl>
      {plan.touches.left_out > 0 && (
        <p className="px-4 pb-3 text-sm text-muted">{t.leftOut(plan.touches.left_out)}</p>
      )}
    </>
  );
}

export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0 break-words">{children}</dd>
    </>
  );
}

/** What has an effect that is not known changes what is set and nothing that runs. */
function bySubject(changes: readonly PlanChange[]): [string, FieldChange[]][] {
  const found = new Map<string, FieldChange[]>();
  for (const { subject, field, before, after, effect } of changes) {
    const known = effect === "in-place" || effect === "recreate" ? effect : "policy-only";
    found.set(subject, [...(found.get(subject) ?? []), { field, before, after, effect: known }]);
  }
  return [...found];
}
