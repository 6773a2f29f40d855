import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { forgetLogin } from "@/api/session";
import { Page } from "@/components/page";
import { TokensTab } from "@/features/access/tokens-tab";
import { AccountSections } from "@/features/auth/account-sections";
import { SessionsSection } from "@/features/auth/sessions-section";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Your account" }, it: { title: "Il proprio account" } });

export function AccountRoute() {
  const t = useMessages(messages);
  const client = useQueryClient();
  const navigate = useNavigate();
  const logInAgain = () => {
    forgetLogin();
    client.clear();
    void navigate({ to: "/login", search: { next: "/account" } });
  };
  return (
    <Page title={t.title}>
      <div className="flex max-w-4xl flex-col gap-6">
        <AccountSections onPasswordChanged={logInAgain} />
        <SessionsSection />
        <TokensTab isOwn />
      </div>
    </Page>
  );
}
