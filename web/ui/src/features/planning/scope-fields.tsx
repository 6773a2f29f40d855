import type { ScopeKind } from "@/api/openapi";
import { errorOf } from "@/components/form-error";
import { Field, Input, Select } from "@/components/ui/field";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

export interface Scope {
  scope: ScopeKind;
  scope_name: string;
}

const KINDS: readonly ScopeKind[] = ["cluster", "environment", "project", "service"];

/** Which services a window or a freeze is about. */
export function ScopeFields({
  value,
  error,
  onChange,
}: {
  value: Scope;
  error: Error | null;
  onChange: (value: Scope) => void;
}) {
  const t = useMessages(messages);
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      <Field label={t.scope}>
        {(control) => (
          <Select
            {...control}
            value={value.scope}
            onChange={(event) => onChange({ ...value, scope: event.currentTarget.value as ScopeKind })}
          >
            {KINDS.map((kind) => (
              <option key={kind} value={kind}>
                {t.scopes[kind]}
              </option>
            ))}
          </Select>
        )}
      </Field>
      {value.scope !== "cluster" && (
        <Field label={t.scopeName} error={errorOf(error, "scope_name")}>
          {(control) => (
            <Input
              {...control}
              value={value.scope_name}
              required
              onInput={(event) => onChange({ ...value, scope_name: event.currentTarget.value })}
            />
          )}
        </Field>
      )}
    </div>
  );
}
