import { Page } from "@/components/page";
import { oneIn, usePageSearch } from "@/components/page-search";
import { Tabs } from "@/components/tabs";
import { ExportsTab } from "@/features/integrations/exports-tab";
import { McpTab } from "@/features/integrations/mcp-tab";
import { messages as texts } from "@/features/integrations/messages";
import { RegistriesTab } from "@/features/integrations/registries-tab";
import { WebhooksTab } from "@/features/integrations/webhooks-tab";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Integrations" }, it: { title: "Integrazioni" } });

const TABS = ["webhooks", "exports", "registries", "mcp"] as const;

export interface IntegrationsSearch {
  tab?: (typeof TABS)[number] | undefined;
}

function parse(raw: Record<string, unknown>): IntegrationsSearch {
  return { tab: oneIn(TABS, raw.tab) };
}

/** The programs the cluster talks to. */
export function IntegrationsRoute() {
  const t = useMessages(messages);
  const { tabs, parts } = useMessages(texts);
  const [{ tab = "webhooks" }, change] = usePageSearch(parse);
  const contents = {
    webhooks: <WebhooksTab />,
    exports: <ExportsTab />,
    registries: <RegistriesTab />,
    mcp: <McpTab />,
  };
  return (
    <Page title={t.title}>
      <Tabs
        label={parts}
        shown={tab}
        onShow={(name) => change({ tab: name === "webhooks" ? undefined : name })}
        tabs={TABS.map((name) => ({ name, title: tabs[name], content: contents[name] }))}
      />
    </Page>
  );
}
