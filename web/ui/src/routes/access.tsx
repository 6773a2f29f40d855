import { Page } from "@/components/page";
import { oneIn, textIn, usePageSearch } from "@/components/page-search";
import { Tabs } from "@/components/tabs";
import { ExplainTab } from "@/features/access/explain-tab";
import { messages as texts } from "@/features/access/messages";
import { PermissionsTab } from "@/features/access/permissions-tab";
import { TokensTab } from "@/features/access/tokens-tab";
import { UsersTab } from "@/features/access/users-tab";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Access" }, it: { title: "Accessi" } });

const TABS = ["users", "permissions", "tokens", "explain"] as const;

export interface AccessSearch {
  tab?: (typeof TABS)[number] | undefined;
  /** Whose permissions are looked at: an account, `token:<prefix>` or `role:<name>`. */
  who?: string | undefined;
  action?: string | undefined;
  on?: string | undefined;
}

function parse(raw: Record<string, unknown>): AccessSearch {
  return {
    tab: oneIn(TABS, raw.tab),
    who: textIn(raw.who),
    action: textIn(raw.action),
    on: textIn(raw.on),
  };
}

/** Who may what: accounts, roles and what they are bound to, API tokens, and why somebody may not. */
export function AccessRoute() {
  const t = useMessages(messages);
  const { tabs, parts } = useMessages(texts);
  const [{ tab = "users", who = "me", action = "", on = "" }, change] = usePageSearch(parse);
  const contents = {
    users: <UsersTab onReach={(principal) => change({ tab: "explain", who: principal })} />,
    permissions: <PermissionsTab />,
    tokens: <TokensTab />,
    explain: (
      <ExplainTab
        key={`${action} ${on}`}
        principal={who}
        action={action}
        resource={on}
        onChange={(next) =>
          change({
            ...(next.principal === undefined ? {} : { who: next.principal }),
            ...(next.action === undefined ? {} : { action: next.action }),
            ...(next.resource === undefined ? {} : { on: next.resource || undefined }),
          })
        }
      />
    ),
  };
  return (
    <Page title={t.title}>
      <Tabs
        label={parts}
        shown={tab}
        onShow={(name) => change({ tab: name === "users" ? undefined : name })}
        tabs={TABS.map((name) => ({ name, title: tabs[name], content: contents[name] }))}
      />
    </Page>
  );
}
