import { useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import type { PermissionBody, RoleView } from "@/api/openapi";
import { FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input } from "@/components/ui/field";
import { useMessages } from "@/lib/i18n";
import { listIn } from "@/lib/lists";
import { actionsQuery, usePutRole } from "./access-queries";
import { messages } from "./messages";
import { draftOf, type ScopeDraft, scopeOf } from "./scope";
import { ScopeFields } from "./scope-fields";

/** Makes a role of what it allows and denies, or changes one. */
export default function RoleWindow({ role, onClose }: { role: RoleView | null; onClose: () => void }) {
  const t = useMessages(messages);
  const { data: actions } = useQuery(actionsQuery);
  const put = usePutRole();
  const listId = useId();
  const [name, setName] = useState(role?.name ?? "");
  const [note, setNote] = useState(role?.note ?? "");
  const [allowed, setAllowed] = useState(patternsOf(role, "allow"));
  const [denied, setDenied] = useState(patternsOf(role, "deny"));
  const [scope, setScope] = useState<ScopeDraft>(draftOfRole(role));
  const unknown = (text: string) =>
    actions === undefined
      ? undefined
      : listIn(text).find((pattern) => !actions.some((action) => means(pattern, action.name)));
  const unknownAllowed = unknown(allowed);
  const unknownDenied = unknown(denied);
  const permissions = (["allow", "deny"] as const).flatMap((effect): PermissionBody[] => {
    const patterns = listIn(effect === "allow" ? allowed : denied);
    return patterns.length === 0 ? [] : [{ effect, actions: patterns, scope: scopeOf(scope), hours: [] }];
  });
  return (
    <Dialog
      title={role === null ? t.makeRole : `${t.editRole}: ${role.name}`}
      description={t.roleNote}
      isWide
      onClose={onClose}
    >
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          put.mutate({ name, body: { permissions, note } }, { onSuccess: onClose });
        }}
      >
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={t.name}>
            {(control) => (
              <Input
                {...control}
                required
                disabled={role !== null}
                pattern="[a-z0-9]([a-z0-9.\-]{0,61}[a-z0-9])?"
                placeholder="restarter"
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
              />
            )}
          </Field>
          <Field label={t.note}>
            {(control) => (
              <Input
                {...control}
                maxLength={256}
                value={note}
                onChange={(event) => setNote(event.currentTarget.value)}
              />
            )}
          </Field>
        </div>
        <Field
          label={t.allow}
          hint={t.actionsHint}
          error={unknownAllowed === undefined ? undefined : t.unknownAction(unknownAllowed)}
        >
          {(control) => (
            <Input
              {...control}
              list={listId}
              value={allowed}
              spellCheck={false}
              onChange={(event) => setAllowed(event.currentTarget.value)}
            />
          )}
        </Field>
        <Field
          label={t.deny}
          error={unknownDenied === undefined ? undefined : t.unknownAction(unknownDenied)}
        >
          {(control) => (
            <Input
              {...control}
              list={listId}
              value={denied}
              spellCheck={false}
              onChange={(event) => setDenied(event.currentTarget.value)}
            />
          )}
        </Field>
        <datalist id={listId}>
          {actions?.map((action) => (
            <option key={action.name} value={action.name} />
          ))}
        </datalist>
        <ScopeFields draft={scope} onChange={setScope} />
        <FormError error={put.error} />
        <div className="flex justify-end">
          <Button
            tone="primary"
            type="submit"
            disabled={
              put.isPending ||
              permissions.length === 0 ||
              unknownAllowed !== undefined ||
              unknownDenied !== undefined
            }
          >
            {t.save}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function means(pattern: string, action: string): boolean {
  const [kind, verb] = action.split(".");
  return pattern === "*" || pattern === action || pattern === `${kind}.*` || pattern === `*.${verb}`;
}

function patternsOf(role: RoleView | null, effect: "allow" | "deny"): string {
  const found = role?.permissions.filter((each) => each.effect === effect).flatMap((each) => each.actions);
  return [...new Set(found)].join(", ");
}

function draftOfRole(role: RoleView | null): ScopeDraft {
  const first = role?.permissions[0];
  return first === undefined ? {} : draftOf(first.scope);
}
