import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import type { EnrolmentView } from "@/api/openapi";
import { errorOf, FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field } from "@/components/ui/field";
import { FocusedInput } from "@/components/ui/focused-input";
import { showDone } from "@/components/ui/toast-store";
import { useMessages } from "@/lib/i18n";
import { messages } from "./account-messages";
import { accountQuery, beginEnrolment, confirmEnrolment, removeFactor, renewCodes } from "./account-queries";
import { Authenticator } from "./authenticator";
import { CodeField } from "./code-field";
import { RecoveryCodes } from "./recovery-codes";
import type { FactorAim } from "./second-factor-section";

interface FactorWindowProps {
  aim: FactorAim;
  onClose: () => void;
}

/** Turns the second factor on or off, or makes new recovery codes. What is shown once is told in here. */
export default function FactorWindow({ aim, onClose }: FactorWindowProps) {
  const client = useQueryClient();
  const known = () => client.invalidateQueries({ queryKey: accountQuery.queryKey, exact: true });
  if (aim === "enrol") return <Enrol onClose={onClose} onChanged={known} />;
  if (aim === "renew") return <Renew onClose={onClose} onChanged={known} />;
  return <Remove onClose={onClose} onChanged={known} />;
}

interface StepProps {
  onClose: () => void;
  onChanged: () => void;
}

function Enrol({ onClose, onChanged }: StepProps) {
  const t = useMessages(messages);
  const [enrolment, setEnrolment] = useState<EnrolmentView | null>(null);
  const begin = useMutation({
    mutationFn: beginEnrolment,
    meta: { isShownInPlace: true },
    onSuccess: setEnrolment,
  });
  const confirm = useMutation({
    mutationFn: (code: string) => confirmEnrolment(enrolment?.ticket ?? "", code),
    meta: { isShownInPlace: true },
    onSuccess: () => {
      showDone(t.onDone);
      onChanged();
    },
  });
  if (confirm.data !== undefined) {
    return <Codes codes={confirm.data.recovery_codes} onClose={onClose} />;
  }
  if (enrolment === null) {
    const wrong = errorOf(begin.error, "password");
    return (
      <Dialog title={t.turnOnTitle} description={t.confirmPassword} onClose={onClose}>
        <Form name="password" onSent={(password) => begin.mutate(password)}>
          {wrong === undefined && <FormError error={begin.error} />}
          <Field label={t.password} error={wrong}>
            {(control) => (
              <FocusedInput
                {...control}
                name="password"
                type="password"
                required
                autoComplete="current-password"
              />
            )}
          </Field>
          <Submit isPending={begin.isPending}>{t.next}</Submit>
        </Form>
      </Dialog>
    );
  }
  const wrong = errorOf(confirm.error, "code");
  return (
    <Dialog title={t.turnOnTitle} onClose={onClose}>
      <Form name="code" onSent={(code) => confirm.mutate(code)}>
        <Authenticator enrolment={enrolment} />
        {wrong === undefined && <FormError error={confirm.error} />}
        <CodeField label={t.code} hint={t.enterCode} error={wrong} />
        <Submit isPending={confirm.isPending}>{t.confirm}</Submit>
      </Form>
    </Dialog>
  );
}

function Renew({ onClose, onChanged }: StepProps) {
  const t = useMessages(messages);
  const renew = useMutation({
    mutationFn: renewCodes,
    meta: { isShownInPlace: true },
    onSuccess: onChanged,
  });
  if (renew.data !== undefined) return <Codes codes={renew.data.recovery_codes} onClose={onClose} />;
  const wrong = errorOf(renew.error, "code");
  return (
    <Dialog title={t.newCodesTitle} description={t.newCodesNote} onClose={onClose}>
      <Form name="code" onSent={(code) => renew.mutate(code)}>
        {wrong === undefined && <FormError error={renew.error} />}
        <CodeField label={t.code} error={wrong} />
        <Submit isPending={renew.isPending}>{t.make}</Submit>
      </Form>
    </Dialog>
  );
}

function Remove({ onClose, onChanged }: StepProps) {
  const t = useMessages(messages);
  const remove = useMutation({
    mutationFn: removeFactor,
    meta: { isShownInPlace: true },
    onSuccess: () => {
      showDone(t.offDone);
      onChanged();
      onClose();
    },
  });
  const wrong = errorOf(remove.error, "code");
  return (
    <Dialog title={t.turnOffTitle} description={t.turnOffNote} onClose={onClose}>
      <Form name="code" onSent={(code) => remove.mutate(code)}>
        {wrong === undefined && <FormError error={remove.error} />}
        <CodeField label={t.codeOrRecovery} error={wrong} isRecovery />
        <div className="flex justify-end">
          <Button type="submit" tone="danger" disabled={remove.isPending}>
            {t.turnOff}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}

function Codes({ codes, onClose }: { codes: readonly string[]; onClose: () => void }) {
  const t = useMessages(messages);
  return (
    <Dialog title={t.recoveryTitle} onClose={onClose}>
      <RecoveryCodes codes={codes} onKept={onClose} />
    </Dialog>
  );
}

interface FormProps {
  /** Of the one field that is sent. */
  name: string;
  onSent: (value: string) => void;
  children: ReactNode;
}

function Form({ name, onSent, children }: FormProps) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onSent(String(new FormData(event.currentTarget).get(name)));
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      {children}
    </form>
  );
}

function Submit({ isPending, children }: { isPending: boolean; children: ReactNode }) {
  return (
    <div className="flex justify-end">
      <Button type="submit" tone="primary" disabled={isPending}>
        {children}
      </Button>
    </div>
  );
}
