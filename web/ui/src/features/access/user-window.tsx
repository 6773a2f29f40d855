import { useState } from "react";
import type { Role, UserView } from "@/api/openapi";
import { errorOf, FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input } from "@/components/ui/field";
import { useMessages } from "@/lib/i18n";
import { useAddUser, useSetPassword, useSetRole } from "./access-queries";
import { messages } from "./messages";

const ROLES: readonly Role[] = ["none", "viewer", "operator", "admin"];
const PASSWORD_CHARACTERS_MIN = 12;

interface UserWindowProps {
  verb: "add" | "role" | "password";
  user: UserView | null;
  onClose: () => void;
}

/** Makes an account, or changes its role or password. */
export default function UserWindow({ verb, user, onClose }: UserWindowProps) {
  const t = useMessages(messages);
  const add = useAddUser();
  const setRole = useSetRole();
  const setPassword = useSetPassword();
  const change = { add, role: setRole, password: setPassword }[verb];
  const [name, setName] = useState(user?.name ?? "");
  const [role, chooseRole] = useState<Role>(user?.role ?? "viewer");
  const [password, typePassword] = useState("");
  const [title, note] = {
    add: [t.addUser, t.addUserNote],
    role: [t.changeRole(name), t.changeRoleNote],
    password: [t.setPasswordTitle(name), t.setPasswordNote],
  }[verb] as [string, string];
  const submit = () => {
    const done = { onSuccess: onClose };
    if (verb === "add") add.mutate({ name, role, password }, done);
    else if (verb === "role") setRole.mutate({ name, role }, done);
    else setPassword.mutate({ name, password }, done);
  };
  return (
    <Dialog title={title} description={note} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        {verb === "add" && (
          <Field label={t.name} error={errorOf(add.error, "name")}>
            {(control) => (
              <Input
                {...control}
                required
                maxLength={64}
                autoComplete="off"
                autoCapitalize="off"
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
              />
            )}
          </Field>
        )}
        {verb !== "password" && (
          <fieldset className="flex flex-col gap-2 text-sm">
            <legend className="mb-1.5 font-medium">{t.role}</legend>
            {ROLES.map((each) => (
              <label key={each} className="flex items-start gap-2">
                <input
                  type="radio"
                  name="role"
                  checked={role === each}
                  onChange={() => chooseRole(each)}
                  className="mt-0.5 size-4 shrink-0 accent-(--accent)"
                />
                <span>
                  <span className="font-medium">{t.roles[each]}</span>
                  <span className="block text-muted">{t.roleNotes[each]}</span>
                </span>
              </label>
            ))}
          </fieldset>
        )}
        {verb !== "role" && (
          <Field label={t.password} hint={t.passwordHint} error={errorOf(change.error, "password")}>
            {(control) => (
              <Input
                {...control}
                type="password"
                required
                minLength={PASSWORD_CHARACTERS_MIN}
                autoComplete="new-password"
                value={password}
                onChange={(event) => typePassword(event.currentTarget.value)}
              />
            )}
          </Field>
        )}
        <FormError error={change.error} fields={["name", "password"]} />
        <div className="flex justify-end">
          <Button tone="primary" type="submit" disabled={change.isPending}>
            {verb === "add" ? t.add : t.save}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
