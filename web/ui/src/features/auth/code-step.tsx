import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import type { ChallengeView } from "@/api/openapi";
import { ApiError, isStatus } from "@/api/problem";
import { giveCode } from "@/api/session";
import { FormError, Refusal } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/lib/i18n";
import { Authenticator } from "./authenticator";
import { CodeField } from "./code-field";
import { messages as enrolmentMessages } from "./enrolment-messages";
import { Frame } from "./frame";
import { messages } from "./login-messages";
import { RecoveryCodes } from "./recovery-codes";
import { useWait } from "./use-wait";
import { waitText } from "./wait-text";

interface CodeStepProps {
  challenge: ChallengeView;
  onLoggedIn: () => void;
  onBack: () => void;
}

/** The code after the password; where one is required and there is none, first a new authenticator. */
export default function CodeStep({ challenge, onLoggedIn, onBack }: CodeStepProps) {
  const t = useMessages(messages);
  const made = useMessages(enrolmentMessages);
  const form = useRef<HTMLFormElement>(null);
  const [isRecovery, setRecovery] = useState(false);
  const [codes, setCodes] = useState<readonly string[]>([]);
  const verify = useMutation({
    mutationFn: (code: string) => giveCode(challenge, code),
    meta: { isShownInPlace: true },
    onSuccess: (recovery) => (recovery.length === 0 ? onLoggedIn() : setCodes(recovery)),
    onError: () => {
      const code = form.current?.elements.namedItem("code");
      if (code instanceof HTMLInputElement) code.select();
    },
  });
  const wait = useWait(verify.error);
  const enrolment = challenge.enrolment ?? null;
  if (codes.length > 0) {
    return (
      <Frame title={made.recoveryTitle} lead="">
        <RecoveryCodes codes={codes} onKept={onLoggedIn} />
      </Frame>
    );
  }
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    verify.mutate(String(new FormData(event.currentTarget).get("code")).trim());
  };
  const isOver = isStatus(verify.error, 422) || isStatus(verify.error, 409);
  const lead = enrolment !== null ? t.enrolLead : isRecovery ? t.recoveryLead : t.codeLead;
  return (
    <Frame title={enrolment === null ? t.codeTitle : t.enrolTitle} lead={lead}>
      <form ref={form} onSubmit={submit} className="flex flex-col gap-4">
        {enrolment !== null && <Authenticator enrolment={enrolment} />}
        {isOver ? <Refusal title={t.expired} /> : <CodeError error={verify.error} wait={wait} />}
        <CodeField
          // Another field, so that what was typed into one does not stay in the other.
          key={isRecovery ? "recovery" : "code"}
          label={isRecovery ? t.recoveryCode : t.code}
          isRecovery={isRecovery}
        />
        <Button type="submit" tone="primary" disabled={verify.isPending || wait > 0 || isOver}>
          {verify.isPending ? t.verifying : t.verify}
        </Button>
        <div className="flex flex-wrap justify-between gap-x-4 gap-y-1">
          {enrolment === null && (
            <Button tone="ghost" className="-ml-3" onClick={() => setRecovery(!isRecovery)}>
              {isRecovery ? t.useAuthenticator : t.useRecovery}
            </Button>
          )}
          <Button tone="ghost" className="-mx-3 ml-auto" onClick={onBack}>
            {t.startOver}
          </Button>
        </div>
      </form>
    </Frame>
  );
}

function CodeError({ error, wait }: { error: Error | null; wait: number }) {
  const t = useMessages(messages);
  if (isStatus(error, 429)) {
    return wait > 0 ? <Refusal title={t.wait(waitText(wait))}>{t.waitNote}</Refusal> : null;
  }
  if (error instanceof ApiError && error.status === 401) {
    const isUsed = error.problem.detail.includes("used already");
    return <Refusal title={isUsed ? t.usedCode : t.wrongCode}>{isUsed ? null : t.codeHint}</Refusal>;
  }
  return <FormError error={error} />;
}
