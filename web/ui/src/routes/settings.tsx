import { Page } from "@/components/page";
import { ProvidersSection } from "@/features/auth/providers-section";
import { DashboardCertificates } from "@/features/certificates/dashboard-certificates";
import { SettingsSections } from "@/features/settings/settings-sections";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Settings" }, it: { title: "Impostazioni" } });

/** What holds for the whole cluster. */
export function SettingsRoute() {
  const t = useMessages(messages);
  return (
    <Page title={t.title}>
      <div className="flex flex-col gap-6">
        <SettingsSections />
        <ProvidersSection />
        <DashboardCertificates />
      </div>
    </Page>
  );
}
