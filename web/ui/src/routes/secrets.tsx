import { useCan } from "@/api/permissions";
import { Page } from "@/components/page";
import { oneIn, textIn, usePageSearch } from "@/components/page-search";
import { Tabs } from "@/components/tabs";
import { messages as texts } from "@/features/secrets/messages";
import { KINDS, type Kind, NOUNS } from "@/features/secrets/stored-files";
import { StoredFilesTab } from "@/features/secrets/stored-files-tab";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({
  en: { title: "Secrets and configs" },
  it: { title: "Segreti e configurazioni" },
});

export interface SecretsSearch {
  tab?: Kind | undefined;
  /** The config whose content is shown, and of which environment it is. */
  name?: string | undefined;
  environment?: string | undefined;
}

function parse(raw: Record<string, unknown>): SecretsSearch {
  return { tab: oneIn(KINDS, raw.tab), name: textIn(raw.name), environment: textIn(raw.environment) };
}

/** The files that containers are given: those nobody reads, and those one may. */
export function SecretsRoute() {
  const t = useMessages(messages);
  const { tabs, parts } = useMessages(texts);
  const can = useCan();
  const [search, change] = usePageSearch(parse);
  const shown = KINDS.filter((kind) => can(`${NOUNS[kind]}.read`));
  const tab = search.tab ?? shown[0] ?? "secrets";
  return (
    <Page title={t.title}>
      <Tabs
        label={parts}
        shown={tab}
        onShow={(name) =>
          change({ tab: name === "secrets" ? undefined : name, name: undefined, environment: undefined })
        }
        tabs={KINDS.filter((kind) => kind === tab || shown.includes(kind)).map((kind) => ({
          name: kind,
          title: tabs[kind],
          content: (
            <StoredFilesTab
              key={kind}
              kind={kind}
              opened={
                search.name === undefined || kind === "secrets"
                  ? undefined
                  : { name: search.name, environment: search.environment ?? "" }
              }
              onOpen={(file) => change({ name: file?.name, environment: file?.environment || undefined })}
            />
          ),
        }))}
      />
    </Page>
  );
}
