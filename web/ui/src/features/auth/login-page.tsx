import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, Suspense, useRef, useState } from "react";
import { urlOf } from "@/api/client";
import type { ChallengeView } from "@/api/openapi";
import { isStatus } from "@/api/problem";
import { logIn, providersQuery } from "@/api/session";
import { FormError, Refusal } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { lazily } from "@/lib/fetched";
import { useMessages } from "@/lib/i18n";
import { Frame } from "./frame";
import { messages } from "./login-messages";
import { useWait } from "./use-wait";
import { waitText } from "./wait-text";

/** Few need it, and the first page is to be small. */
const CodeStep = lazily(() => import("./code-step"));

interface LoginPageProps {
  next: string;
  refused: string | undefined;
  refusedBy: string | undefined;
  onLoggedIn: () => void;
}

/** Name and password, then perhaps a code; or by way of an identity provider. */
export function LoginPage({ next, refused, refusedBy, onLoggedIn }: LoginPageProps) {
  const [challenge, setChallenge] = useState<ChallengeView | null>(null);
  if (challenge !== null) {
    return (
      <Suspense fallback={null}>
        <CodeStep challenge={challenge} onLoggedIn={onLoggedIn} onBack={() => setChallenge(null)} />
      </Suspense>
    );
  }
  return (
    <PasswordStep
      next={next}
      refused={refused}
      refusedBy={refusedBy}
      onChallenge={setChallenge}
      onLoggedIn={onLoggedIn}
    />
  );
}

function PasswordStep({
  next,
  refused,
  refusedBy,
  onChallenge,
  onLoggedIn,
}: LoginPageProps & { onChallenge: (challenge: ChallengeView) => void }) {
  const t = useMessages(messages);
  const form = useRef<HTMLFormElement>(null);
  const login = useMutation({
    mutationFn: ({ name, password }: { name: string; password: string }) => logIn(name, password),
    meta: { isShownInPlace: true },
    onSuccess: (challenge) => (challenge === null ? onLoggedIn() : onChallenge(challenge)),
    onError: () => {
      const password = form.current?.elements.namedItem("password");
      if (password instanceof HTMLInputElement) password.select();
    },
  });
  const wait = useWait(login.error);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    login.mutate({ name: String(fields.get("name")).trim(), password: String(fields.get("password")) });
  };
  return (
    <Frame title={t.logIn} lead={t.anyHost}>
      <form ref={form} onSubmit={submit} className="flex flex-col gap-4">
        {refused !== undefined && login.error === null && (
          <SignInRefused refused={refused} provider={refusedBy} />
        )}
        <LoginError error={login.error} wait={wait} />
        <Field label={t.name}>
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
        <Field label={t.password}>
          {(control) => (
            <Input {...control} name="password" type="password" required autoComplete="current-password" />
          )}
        </Field>
        <Button type="submit" tone="primary" disabled={login.isPending || wait > 0}>
          {login.isPending ? t.loggingIn : t.logIn}
        </Button>
        <Providers next={next} />
      </form>
    </Frame>
  );
}

function LoginError({ error, wait }: { error: Error | null; wait: number }) {
  const t = useMessages(messages);
  if (isStatus(error, 429)) {
    return wait > 0 ? <Refusal title={t.wait(waitText(wait))}>{t.waitNote}</Refusal> : null;
  }
  if (isStatus(error, 401)) return <Refusal title={t.wrong}>{t.wrongHint}</Refusal>;
  return <FormError error={error} />;
}

/** The other ways to log in. Without an answer there are none, which is no reason to complain. */
function Providers({ next }: { next: string }) {
  const t = useMessages(messages);
  const { data } = useQuery(providersQuery);
  if (data === undefined || data.length === 0) return null;
  return (
    <>
      <p className="flex items-center gap-3 text-xs text-muted">
        <span aria-hidden className="h-px flex-1 bg-line" />
        {t.or}
        <span aria-hidden className="h-px flex-1 bg-line" />
      </p>
      {data.map((provider) => (
        <a
          key={provider.id}
          href={urlOf(`/auth/providers/${encodeURIComponent(provider.id)}/start`, { next })}
          className="inline-flex h-8 items-center justify-center rounded-md border border-line-strong bg-surface px-3 text-sm font-medium transition-colors hover:bg-hover pointer-coarse:h-10"
        >
          {t.with(provider.label)}
        </a>
      ))}
    </>
  );
}

function SignInRefused({ refused, provider }: { refused: string; provider: string | undefined }) {
  const t = useMessages(messages);
  const { data } = useQuery(providersQuery);
  const known = data?.find((each) => each.id === provider);
  const words: Readonly<Record<string, string>> = t.refused;
  return (
    <Refusal title={words[refused] ?? t.refusedOther}>
      {refused === "no-role" && known !== undefined && (
        <a
          href={urlOf(`/auth/providers/${encodeURIComponent(known.id)}/logout`)}
          className="underline underline-offset-2"
        >
          {t.endThere(known.label)}
        </a>
      )}
    </Refusal>
  );
}
