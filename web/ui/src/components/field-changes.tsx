import type { FieldChange } from "@/api/openapi";
import { defineMessages, useMessages } from "@/lib/i18n";
import { Badge, type Tone } from "./ui/badge";

const messages = defineMessages({
  en: {
    field: "Field",
    before: "Before",
    after: "After",
    effect: "Effect",
    none: "not set",
    effects: { "in-place": "in place", recreate: "replaces replicas", "policy-only": "next rollout" },
  },
  it: {
    field: "Campo",
    before: "Prima",
    after: "Dopo",
    effect: "Effetto",
    none: "non impostato",
    effects: {
      "in-place": "sul posto",
      recreate: "sostituisce le repliche",
      "policy-only": "prossimo rilascio",
    },
  },
});

const TONES: Record<FieldChange["effect"], Tone> = {
  "in-place": "accent",
  recreate: "warn",
  "policy-only": "neutral",
};

/** What differs between two specifications, field by field, and what that does to what runs. */
export function FieldChanges({ changes, label }: { changes: readonly FieldChange[]; label: string }) {
  const t = useMessages(messages);
  return (
    <div className="@container">
      <table aria-label={label} className="w-full table-fixed text-sm">
        <thead className="sr-only">
          <tr>
            <th scope="col">{t.field}</th>
            <th scope="col">{t.before}</th>
            <th scope="col">{t.after}</th>
            <th scope="col">{t.effect}</th>
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {changes.map((change) => (
            <tr key={change.field} className="flex flex-wrap gap-x-3 gap-y-0.5 py-1.5">
              <th
                scope="row"
                className="w-56 min-w-0 text-left font-mono text-xs leading-5 font-normal break-words @max-3xl:w-full"
              >
                {change.field}
              </th>
              <td className="flex min-w-0 basis-40 flex-1 gap-1.5 text-bad">
                <span aria-hidden>−</span>
                <Value value={change.before} none={t.none} isGone />
              </td>
              <td className="flex min-w-0 basis-40 flex-1 gap-1.5 text-ok">
                <span aria-hidden>+</span>
                <Value value={change.after} none={t.none} />
              </td>
              <td className="w-40 text-right @max-3xl:w-full @max-3xl:text-left">
                <Badge tone={TONES[change.effect]}>{t.effects[change.effect]}</Badge>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Value({ value, none, isGone = false }: { value: string | null; none: string; isGone?: boolean }) {
  if (value === null) return <span className="text-muted italic">{none}</span>;
  const text = <span className="break-all whitespace-pre-wrap">{value}</span>;
  return isGone ? <del className="no-underline">{text}</del> : <ins className="no-underline">{text}</ins>;
}
