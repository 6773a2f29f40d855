import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { logIn, setUp } from "@/api/session";
import { errorOf, FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { useMessages } from "@/lib/i18n";
import { Frame } from "./frame";
import { messages } from "./login-messages";

interface SetupValues {
  token: string;
  name: string;
  password: string;
}

/** Makes the first administrator, and logs them in. `token` comes with the link that `tower init` printed. */
export function SetupPage({ token, onDone }: { token: string; onDone: () => void }) {
  const t = useMessages(messages);
  const [mismatch, setMismatch] = useState(false);
  const setup = useMutation({
    mutationFn: async ({ token: given, name, password }: SetupValues) => {
      await setUp(given, name, password);
      await logIn(name, password);
    },
    meta: { isShownInPlace: true },
    onSuccess: onDone,
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const password = String(fields.get("password"));
    const isSame = password === String(fields.get("again"));
    setMismatch(!isSame);
    if (!isSame) return;
    setup.mutate({
      token: String(fields.get("token")).trim(),
      name: String(fields.get("name")).trim(),
      password,
    });
  };
  return (
    <Frame
      title={t.setupTitle}
      lead={
        <>
          <code className="font-mono">tower init</code> {t.setupLead}
        </>
      }
    >
      <form onSubmit={submit} className="flex flex-col gap-4">
        <FormError error={setup.error} />
        <Field label={t.setupToken} error={errorOf(setup.error, "token")}>
          {(control) => (
            <Input
              {...control}
              name="token"
              required
              defaultValue={token}
              autoComplete="off"
              spellCheck={false}
              className="font-mono"
            />
          )}
        </Field>
        <Field label={t.name} error={errorOf(setup.error, "name")}>
          {(control) => (
            <Input
              {...control}
              name="name"
              required
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
            />
          )}
        </Field>
        <Field label={t.password} hint={t.passwordHint} error={errorOf(setup.error, "password")}>
          {(control) => (
            <Input {...control} name="password" type="password" required autoComplete="new-password" />
          )}
        </Field>
        <Field label={t.again} error={mismatch ? t.differ : undefined}>
          {(control) => (
            <Input {...control} name="again" type="password" required autoComplete="new-password" />
          )}
        </Field>
        <Button type="submit" tone="primary" disabled={setup.isPending}>
          {setup.isPending ? t.settingUp : t.setUp}
        </Button>
      </form>
    </Frame>
  );
}
