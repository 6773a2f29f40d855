import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useRef } from "react";
import { logIn } from "@/api/session";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { FormError } from "./form-error";
import { Frame } from "./frame";

export function LoginPage({ onLoggedIn }: { onLoggedIn: () => void }) {
  const form = useRef<HTMLFormElement>(null);
  const login = useMutation({
    mutationFn: ({ name, password }: { name: string; password: string }) => logIn(name, password),
    meta: { isShownInPlace: true },
    onSuccess: onLoggedIn,
    onError: () => {
      const password = form.current?.elements.namedItem("password");
      if (password instanceof HTMLInputElement) password.select();
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    login.mutate({ name: String(fields.get("name")).trim(), password: String(fields.get("password")) });
  };
  return (
    <Frame title="Log in" lead="Any host of the cluster will do: all show the same.">
      <form ref={form} onSubmit={submit} className="flex flex-col gap-4">
        <FormError error={login.error} />
        <Field label="Name">
          {(control) => (
            <Input
              {...control}
              name="name"
              required
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              autoFocus
            />
          )}
        </Field>
        <Field label="Password">
          {(control) => (
            <Input {...control} name="password" type="password" required autoComplete="current-password" />
          )}
        </Field>
        <Button type="submit" tone="primary" disabled={login.isPending}>
          {login.isPending ? "Logging in…" : "Log in"}
        </Button>
      </form>
    </Frame>
  );
}
