import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { HoursBody } from "@/api/openapi";
import { FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input, Select } from "@/components/ui/field";
import { useDebounced } from "@/lib/debounced";
import { useMessages } from "@/lib/i18n";
import { previewQuery, rolesQuery, tokensQuery, useBind, usersQuery } from "./access-queries";
import { messages } from "./messages";
import { Reach } from "./reach";
import { type ScopeDraft, scopeOf } from "./scope";
import { HoursFields, ScopeFields } from "./scope-fields";

const SETTLE_MS = 350;

/** Binds a role to an account or token on part of the cluster, and shows what that lets it see. */
export default function BindingWindow({ user, onClose }: { user: string; onClose: () => void }) {
  const t = useMessages(messages);
  const users = useQuery(usersQuery);
  const tokens = useQuery(tokensQuery);
  const roles = useQuery(rolesQuery);
  const bind = useBind();
  const [who, setWho] = useState(user === "" ? "" : `user:${user}`);
  const [role, setRole] = useState("operator");
  const [scope, setScope] = useState<ScopeDraft>({});
  const [hours, setHours] = useState<HoursBody[]>([]);
  const [note, setNote] = useState("");
  const preview = useQuery(previewQuery(role, scopeOf(useDebounced(scope, SETTLE_MS))));
  const [kind, name] = [who.slice(0, who.indexOf(":")), who.slice(who.indexOf(":") + 1)];
  return (
    <Dialog title={t.bindTitle} description={t.bindNote} isWide onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          const holder = kind === "token" ? { token: name } : { user: name };
          bind.mutate({ ...holder, role, scope: scopeOf(scope), hours, note }, { onSuccess: onClose });
        }}
      >
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={t.who}>
            {(control) => (
              <Select
                {...control}
                required
                value={who}
                onChange={(event) => setWho(event.currentTarget.value)}
              >
                <option value="" disabled />
                <optgroup label={t.whoAccount}>
                  {users.data?.map((each) => (
                    <option key={each.id} value={`user:${each.name}`}>
                      {each.name}
                    </option>
                  ))}
                </optgroup>
                <optgroup label={t.whoToken}>
                  {tokens.data
                    ?.filter((each) => each.state === "active")
                    .map((each) => (
                      <option key={each.prefix} value={`token:${each.prefix}`}>
                        {each.name || each.prefix} ({each.owner_name})
                      </option>
                    ))}
                </optgroup>
              </Select>
            )}
          </Field>
          <Field label={t.role}>
            {(control) => (
              <Select {...control} value={role} onChange={(event) => setRole(event.currentTarget.value)}>
                {roles.data?.map((each) => (
                  <option key={each.name} value={each.name}>
                    {each.name}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        </div>
        <ScopeFields draft={scope} onChange={setScope} />
        <HoursFields hours={hours} onChange={setHours} />
        <Field label={t.note} hint={t.noteHint}>
          {(control) => (
            <Input
              {...control}
              maxLength={256}
              value={note}
              onChange={(event) => setNote(event.currentTarget.value)}
            />
          )}
        </Field>
        <section aria-label={t.preview} className="min-h-32 rounded-lg border border-line bg-surface p-3">
          <h3 className="mb-2 text-sm text-muted">{t.preview}</h3>
          <Reach query={preview} />
        </section>
        <FormError error={bind.error} />
        <div className="flex justify-end">
          <Button tone="primary" type="submit" disabled={bind.isPending || name === ""}>
            {t.bind}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
