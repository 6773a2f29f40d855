import { useQuery } from "@tanstack/react-query";
import { Plus, Users } from "lucide-react";
import { Suspense, useState } from "react";
import type { BindingView, UserView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { meQuery } from "@/api/session";
import { FormError } from "@/components/form-error";
import { Loaded } from "@/components/loaded";
import { RowMenu } from "@/components/row-menu";
import { Empty, Loading } from "@/components/states";
import { Badge, Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import type { MenuItem } from "@/components/ui/menu";
import { Card, Section } from "@/components/ui/section";
import { cn } from "@/lib/cn";
import { lazily } from "@/lib/fetched";
import { formatCount } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { bindingsQuery, useRemoveUser, usersQuery } from "./access-queries";
import { messages } from "./messages";
import { scopeText } from "./scope";
import { type Measure, UserMeasure } from "./user-measures";

const UserWindow = lazily(() => import("./user-window"));
const BindingWindow = lazily(() => import("./binding-window"));

export type UserVerb = "add" | "role" | "password" | "bind" | "remove" | Measure;

const isMeasure = (verb: UserVerb): verb is Measure =>
  verb === "sessions" || verb === "factor" || verb === "failures";

interface Asked {
  verb: UserVerb;
  user: UserView | null;
}

/** The accounts: what each may, and what can be done about that. */
export function UsersTab({ onReach }: { onReach: (principal: string) => void }) {
  const t = useMessages(messages);
  const can = useCan();
  const query = useQuery(usersQuery);
  const bindings = useQuery({ ...bindingsQuery, enabled: can("binding.read") });
  const remove = useRemoveUser();
  const [asked, setAsked] = useState<Asked | null>(null);
  const close = () => {
    setAsked(null);
    remove.reset();
  };
  return (
    <Section
      title={t.tabs.users}
      note={query.data === undefined ? undefined : formatCount(query.data.length)}
      actions={
        can("user.create") && (
          <Button tone="primary" onClick={() => setAsked({ verb: "add", user: null })}>
            <Plus aria-hidden className="size-3.5" />
            {t.addUser}
          </Button>
        )
      }
    >
      <Card className="overflow-x-auto">
        <Loaded query={query} loading={<Loading label={t.loadingUsers} rows={4} />}>
          {(users) =>
            users.length === 0 ? (
              <Empty icon={<Users className="size-5" />} title={t.loadingUsers} />
            ) : (
              <table className="w-full text-sm max-md:block">
                <thead className="max-md:hidden">
                  <tr className="border-b border-line text-left text-muted">
                    {[t.user, t.role, t.boundTo, t.secondFactor, t.logins, t.tokensOf].map((title) => (
                      <th key={title} scope="col" className="px-4 py-2 font-normal whitespace-nowrap">
                        {title}
                      </th>
                    ))}
                    <th scope="col" className="px-4 py-2">
                      <span className="sr-only">{t.actions}</span>
                    </th>
                  </tr>
                </thead>
                <tbody className="divide-y divide-line max-md:block">
                  {users.map((user) => (
                    <Row
                      key={user.id}
                      user={user}
                      bindings={(bindings.data ?? []).filter((each) => each.holder_id === user.id)}
                      onAsk={(verb) => setAsked({ verb, user })}
                      onReach={() => onReach(user.name)}
                    />
                  ))}
                </tbody>
              </table>
            )
          }
        </Loaded>
      </Card>
      <Suspense fallback={null}>
        {asked !== null && asked.verb === "bind" && (
          <BindingWindow user={asked.user?.name ?? ""} onClose={close} />
        )}
        {asked !== null && (asked.verb === "add" || asked.verb === "role" || asked.verb === "password") && (
          <UserWindow verb={asked.verb} user={asked.user} onClose={close} />
        )}
      </Suspense>
      {asked !== null && asked.user !== null && isMeasure(asked.verb) && (
        <UserMeasure measure={asked.verb} user={asked.user} onClose={close} />
      )}
      {asked?.verb === "remove" && asked.user !== null && (
        <Confirm
          title={t.removeTitle(asked.user.name)}
          verb={t.remove}
          isDangerous
          isPending={remove.isPending}
          onCancel={close}
          onConfirm={() => remove.mutate(asked.user?.name ?? "", { onSuccess: close })}
        >
          <p>{t.removeNote}</p>
          <FormError error={remove.error} />
        </Confirm>
      )}
    </Section>
  );
}

interface RowProps {
  user: UserView;
  bindings: readonly BindingView[];
  onAsk: (verb: UserVerb) => void;
  onReach: () => void;
}

function Row({ user, bindings, onAsk, onReach }: RowProps) {
  const t = useMessages(messages);
  const can = useCan();
  const { data: me } = useQuery(meQuery);
  const isOwn = me?.principal_id === user.id;
  const verbs: MenuItem[] = [
    can("user.set-role") && { key: "role", label: t.changeRole(user.name), onSelect: () => onAsk("role") },
    can("binding.put") && { key: "bind", label: `${t.grant}…`, onSelect: () => onAsk("bind") },
    can("user.set-password") &&
      user.provider === "" && {
        key: "password",
        label: `${t.setPassword}…`,
        onSelect: () => onAsk("password"),
      },
  ].filter((each) => each !== false);
  const measures: MenuItem[] = [
    can("user.end-logins") &&
      user.logins > 0 &&
      !isOwn && {
        key: "sessions",
        label: `${t.measures.sessions.verb}…`,
        onSelect: () => onAsk("sessions"),
      },
    can("user.reset-second-factor") &&
      user.has_second_factor && {
        key: "factor",
        label: `${t.measures.factor.verb}…`,
        onSelect: () => onAsk("factor"),
      },
    can("user.forget-failures") &&
      (user.login_wait_s ?? 0) > 0 && {
        key: "failures",
        label: `${t.measures.failures.verb}…`,
        onSelect: () => onAsk("failures"),
      },
  ].filter((each) => each !== false);
  const groups: MenuItem[][] = [
    verbs,
    measures,
    [{ key: "reach", label: t.seeReach, onSelect: onReach }],
    can("user.remove") && !isOwn
      ? [{ key: "remove", label: `${t.remove}…`, isDangerous: true, onSelect: () => onAsk("remove") }]
      : [],
  ];
  return (
    <tr className="hover:bg-hover max-md:flex max-md:flex-wrap max-md:items-center max-md:gap-x-3 max-md:gap-y-1 max-md:px-4 max-md:py-2">
      <th scope="row" className="text-left font-medium md:px-4 md:py-2">
        <span className="flex flex-wrap items-center gap-2">
          {user.name}
          {isOwn && <Badge tone="accent">{t.you}</Badge>}
          {user.is_suspended && <Badge tone="warn">{t.suspended}</Badge>}
          {user.provider !== "" && <Badge>{t.fromProvider}</Badge>}
          {(user.login_wait_s ?? 0) > 0 && (
            <Badge tone="warn" title={t.waitsNote(user.failed_logins ?? 0)}>
              {t.waits(user.login_wait_s ?? 0)}
            </Badge>
          )}
        </span>
      </th>
      <td className="md:px-4 md:py-2">{t.roles[user.role]}</td>
      <td className="max-md:order-last max-md:w-full md:px-4 md:py-2">
        <ul className="flex flex-col gap-0.5">
          {bindings.map((each) => (
            <li key={each.id} className="text-muted">
              <span className="text-text">{each.role}</span> · {scopeText(each.scope, t)}
            </li>
          ))}
        </ul>
      </td>
      <td className={cn("md:px-4 md:py-2", !user.has_second_factor && "max-md:hidden")}>
        <Status tone={user.has_second_factor ? "ok" : "neutral"}>
          <span className="md:sr-only">{t.secondFactor} </span>
          {user.has_second_factor ? t.on : t.off}
        </Status>
      </td>
      <td className="tabular md:px-4 md:py-2">
        <span className="text-muted md:hidden">{t.logins} </span>
        {user.logins}
      </td>
      <td className="tabular md:px-4 md:py-2">
        <span className="text-muted md:hidden">{t.tokensOf} </span>
        {user.api_tokens}
      </td>
      <td className="text-right max-md:ml-auto md:py-1.5 md:pr-2">
        <RowMenu name={user.name} groups={groups} />
      </td>
    </tr>
  );
}
