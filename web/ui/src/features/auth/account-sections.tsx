import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { urlOf } from "@/api/client";
import type { AccountView } from "@/api/openapi";
import { Loaded } from "@/components/loaded";
import { Loading } from "@/components/states";
import { Card, Section } from "@/components/ui/section";
import { Segmented } from "@/components/ui/segmented";
import { formatMoment } from "@/lib/format";
import { LANGUAGES, language, setLanguage, useMessages } from "@/lib/i18n";
import { setTheme, type Theme, useTheme } from "@/lib/theme";
import { messages } from "./account-messages";
import { accountQuery } from "./account-queries";
import { PasswordSection } from "./password-section";
import { SecondFactorSection } from "./second-factor-section";

const THEMES: readonly Theme[] = ["system", "light", "dark"];

/** Who one is here, and how one proves it. */
export function AccountSections({ onPasswordChanged }: { onPasswordChanged: () => void }) {
  const t = useMessages(messages);
  const query = useQuery(accountQuery);
  return (
    <Loaded query={query} loading={<Loading label={t.loading} rows={6} />}>
      {(account) => (
        <div className="flex flex-col gap-6">
          <You account={account} />
          {account.has_password && <SecondFactorSection factor={account.second_factor} />}
          {account.has_password && <PasswordSection onChanged={onPasswordChanged} />}
        </div>
      )}
    </Loaded>
  );
}

function You({ account }: { account: AccountView }) {
  const t = useMessages(messages);
  const theme = useTheme();
  return (
    <Section title={t.you}>
      <Card>
        <dl className="grid gap-x-6 gap-y-3 p-4 text-sm sm:grid-cols-[10rem_minmax(0,1fr)]">
          <Row name={t.name}>{account.name}</Row>
          <Row name={t.role}>{t.roles[account.role]}</Row>
          <Row name={t.since}>{formatMoment(account.created_at_ms)}</Row>
          {account.provider !== "" && (
            <Row name={t.provider}>
              <p>{account.provider}</p>
              <p className="text-muted">{t.providerNote(account.provider)}</p>
              <a
                href={urlOf(`/auth/providers/${encodeURIComponent(account.provider_id)}/logout`)}
                className="text-accent underline-offset-2 hover:underline"
              >
                {t.endThere(account.provider)}
              </a>
            </Row>
          )}
          <Row name={t.language}>
            <Segmented
              label={t.language}
              options={LANGUAGES.map((each) => ({ value: each.language, label: each.name }))}
              value={language()}
              onChange={setLanguage}
            />
          </Row>
          <Row name={t.theme}>
            <Segmented
              label={t.theme}
              options={THEMES.map((each) => ({ value: each, label: t.themes[each] }))}
              value={theme}
              onChange={setTheme}
            />
            <p className="mt-1.5 text-xs text-muted">{t.inThisBrowser}</p>
          </Row>
        </dl>
      </Card>
    </Section>
  );
}

function Row({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="sm:contents">
      <dt className="mb-1 text-xs text-muted sm:mb-0 sm:pt-1 sm:text-sm">{name}</dt>
      <dd className="min-w-0 break-words sm:pt-1">{children}</dd>
    </div>
  );
}
