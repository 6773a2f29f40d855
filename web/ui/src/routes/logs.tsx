import { Page } from "@/components/page";
import { usePageSearch } from "@/components/page-search";
import { LogViewer } from "@/features/logs/log-viewer";
import { parseLogsSearch } from "@/features/logs/logs-search";
import { messages } from "@/features/logs/messages";
import { useMessages } from "@/lib/i18n";

export function LogsRoute() {
  const t = useMessages(messages);
  const [search, change] = usePageSearch(parseLogsSearch);
  return (
    <Page title={t.title}>
      <section
        aria-label={t.title}
        className="flex h-[calc(100dvh-8.75rem)] min-h-96 flex-col overflow-hidden rounded-lg border border-line bg-surface shadow-card"
      >
        <LogViewer search={search} onSearch={change} />
      </section>
    </Page>
  );
}
