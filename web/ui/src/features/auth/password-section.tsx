import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { errorOf, FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { Card, Section } from "@/components/ui/section";
import { showDone } from "@/components/ui/toast-store";
import { useMessages } from "@/lib/i18n";
import { messages } from "./account-messages";
import { changePassword } from "./account-queries";

/** Changes one's own password. `onChanged` leads to the login: every login of the account is over then. */
export function PasswordSection({ onChanged }: { onChanged: () => void }) {
  const t = useMessages(messages);
  const form = useRef<HTMLFormElement>(null);
  const [isDifferent, setDifferent] = useState(false);
  const change = useMutation({
    mutationFn: ({ current, fresh }: { current: string; fresh: string }) => changePassword(current, fresh),
    meta: { isShownInPlace: true },
    onSuccess: () => {
      form.current?.reset();
      showDone(t.changed, t.changedNote);
      onChanged();
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const fresh = String(fields.get("fresh"));
    const isSame = fresh === String(fields.get("again"));
    setDifferent(!isSame);
    if (isSame) change.mutate({ current: String(fields.get("current")), fresh });
  };
  const wrongCurrent = errorOf(change.error, "current_password");
  const wrongFresh = errorOf(change.error, "password");
  return (
    <Section title={t.password}>
      <Card className="p-4">
        <form ref={form} onSubmit={submit} className="flex max-w-md flex-col gap-4">
          <p className="text-sm text-muted">{t.passwordNote}</p>
          {wrongCurrent === undefined && wrongFresh === undefined && <FormError error={change.error} />}
          <Field label={t.current} error={wrongCurrent}>
            {(control) => (
              <Input {...control} name="current" type="password" required autoComplete="current-password" />
            )}
          </Field>
          <Field
            label={t.fresh}
            hint={t.freshHint}
            error={wrongCurrent === undefined ? wrongFresh : undefined}
          >
            {(control) => (
              <Input {...control} name="fresh" type="password" required autoComplete="new-password" />
            )}
          </Field>
          <Field label={t.again} error={isDifferent ? t.differ : undefined}>
            {(control) => (
              <Input {...control} name="again" type="password" required autoComplete="new-password" />
            )}
          </Field>
          <div>
            <Button type="submit" tone="primary" disabled={change.isPending}>
              {change.isPending ? t.changing : t.change}
            </Button>
          </div>
        </form>
      </Card>
    </Section>
  );
}
