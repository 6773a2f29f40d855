import { useQuery } from "@tanstack/react-query";
import { KeyRound, Plus } from "lucide-react";
import { Suspense, useState } from "react";
import type { BindingView, RoleView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { FormError } from "@/components/form-error";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Card, Section } from "@/components/ui/section";
import { lazily } from "@/lib/fetched";
import { formatCount } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { bindingsQuery, rolesQuery, useRemoveRole, useUnbind } from "./access-queries";
import { messages } from "./messages";
import { type Day, hoursText, scopeText } from "./scope";

const BindingWindow = lazily(() => import("./binding-window"));
const RoleWindow = lazily(() => import("./role-window"));

/** What is bound to whom, and the roles there are. */
export function PermissionsTab() {
  return (
    <div className="flex flex-col gap-6">
      <Bindings />
      <Roles />
    </div>
  );
}

function Bindings() {
  const t = useMessages(messages);
  const can = useCan();
  const query = useQuery(bindingsQuery);
  const unbind = useUnbind();
  const [isBinding, setBinding] = useState(false);
  const [asked, setAsked] = useState<BindingView | null>(null);
  const close = () => {
    setAsked(null);
    unbind.reset();
  };
  return (
    <Section
      title={t.bindings}
      note={query.data === undefined ? undefined : formatCount(query.data.length)}
      actions={
        can("binding.put") && (
          <Button tone="primary" onClick={() => setBinding(true)}>
            <Plus aria-hidden className="size-3.5" />
            {t.grant}
          </Button>
        )
      }
    >
      <Card>
        <Loaded query={query} loading={<Loading label={t.loadingRoles} />}>
          {(bindings) =>
            bindings.length === 0 ? (
              <Empty icon={<KeyRound className="size-5" />} title={t.noBindings}>
                {t.noBindingsNote}
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {bindings.map((each) => (
                  <Bound key={each.id} binding={each} onUnbind={() => setAsked(each)} />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      <Suspense fallback={null}>
        {isBinding && <BindingWindow user="" onClose={() => setBinding(false)} />}
      </Suspense>
      {asked !== null && (
        <Confirm
          title={t.unbindTitle(asked.holder_name || asked.holder_id, asked.role)}
          verb={t.unbind}
          isDangerous
          isPending={unbind.isPending}
          onCancel={close}
          onConfirm={() => unbind.mutate(asked.id, { onSuccess: close })}
        >
          <p>{t.unbindNote(scopeText(asked.scope, t))}</p>
          <FormError error={unbind.error} />
        </Confirm>
      )}
    </Section>
  );
}

function Bound({ binding, onUnbind }: { binding: BindingView; onUnbind: () => void }) {
  const t = useMessages(messages);
  const can = useCan();
  const hours = hoursText(binding.hours, (day: Day) => t.dayNames[day]);
  return (
    <li className="flex min-h-12 flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2 text-sm">
      <span className="font-medium">{binding.holder_name || binding.holder_id}</span>
      {binding.kind === "token" && <Badge>{t.token}</Badge>}
      <span>{binding.role}</span>
      <span className="min-w-0 break-words text-muted">{scopeText(binding.scope, t)}</span>
      {hours !== "" && <span className="tabular text-muted">{hours}</span>}
      {!binding.is_in_force && <Badge tone="warn">{t.outOfHours}</Badge>}
      {binding.note !== "" && <span className="min-w-0 break-words text-muted">“{binding.note}”</span>}
      {can("binding.remove") && (
        <Button className="ml-auto" onClick={onUnbind}>
          {t.unbind}
        </Button>
      )}
    </li>
  );
}

function Roles() {
  const t = useMessages(messages);
  const can = useCan();
  const query = useQuery(rolesQuery);
  const remove = useRemoveRole();
  const [edited, setEdited] = useState<RoleView | "new" | null>(null);
  const [asked, setAsked] = useState<RoleView | null>(null);
  const close = () => {
    setAsked(null);
    remove.reset();
  };
  return (
    <Section
      title={t.rolesTitle}
      actions={
        can("role.put") && (
          <Button onClick={() => setEdited("new")}>
            <Plus aria-hidden className="size-3.5" />
            {t.makeRole}
          </Button>
        )
      }
    >
      <Card>
        <Loaded query={query} loading={<Loading label={t.loadingRoles} rows={4} />}>
          {(roles) => (
            <ul className="divide-y divide-line">
              {roles.map((role) => (
                <li
                  key={role.name}
                  className="flex flex-wrap items-start gap-x-3 gap-y-1 px-4 py-2.5 text-sm"
                >
                  <details className="min-w-0 flex-1">
                    <summary className="cursor-pointer">
                      <span className="font-medium">{role.name}</span>{" "}
                      {role.is_built_in && <Badge>{t.builtIn}</Badge>}{" "}
                      <span className="tabular text-muted">
                        {t.actionCount(role.actions.length)}, {t.boundCount(role.bindings)}
                        {role.note !== "" && ` · ${role.note}`}
                      </span>
                    </summary>
                    <Allowed role={role} />
                  </details>
                  {can("role.put") && isSimple(role) && (
                    <Button onClick={() => setEdited(role)}>{t.editRole}</Button>
                  )}
                  {can("role.remove") && !role.is_built_in && role.bindings === 0 && (
                    <Button onClick={() => setAsked(role)}>{t.remove}</Button>
                  )}
                </li>
              ))}
            </ul>
          )}
        </Loaded>
      </Card>
      <Suspense fallback={null}>
        {edited !== null && (
          <RoleWindow role={edited === "new" ? null : edited} onClose={() => setEdited(null)} />
        )}
      </Suspense>
      {asked !== null && (
        <Confirm
          title={t.removeRoleTitle(asked.name)}
          verb={t.remove}
          isDangerous
          isPending={remove.isPending}
          onCancel={close}
          onConfirm={() => remove.mutate(asked.name, { onSuccess: close })}
        >
          <p>{t.removeRoleNote}</p>
          <FormError error={remove.error} />
        </Confirm>
      )}
    </Section>
  );
}

/** Whether the editor can show all of a role; another is changed with the command line. */
function isSimple(role: RoleView): boolean {
  const [first, ...rest] = role.permissions;
  return (
    first !== undefined &&
    role.permissions.every((each) => each.hours.length === 0) &&
    rest.every((each) => each.scope.text === first.scope.text)
  );
}

function Allowed({ role }: { role: RoleView }) {
  const t = useMessages(messages);
  if (role.is_built_in) {
    return (
      <p className="mt-1 font-mono text-xs leading-5 break-words text-muted">{role.actions.join(" · ")}</p>
    );
  }
  return (
    <ul className="mt-1 flex flex-col gap-1">
      {role.permissions.map((each, index) => (
        <li key={index} className="text-muted">
          <Badge tone={each.effect === "deny" ? "bad" : "ok"}>
            {each.effect === "deny" ? t.denies : t.allows}
          </Badge>{" "}
          <span className="font-mono text-xs break-words">{each.actions.join(" · ")}</span> ·{" "}
          {scopeText(each.scope, t)}
          {each.hours.length > 0 && ` · ${hoursText(each.hours, (day: Day) => t.dayNames[day])}`}
        </li>
      ))}
    </ul>
  );
}
