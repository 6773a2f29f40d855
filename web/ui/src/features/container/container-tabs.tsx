import * as Tabs from "@radix-ui/react-tabs";
import { Lock } from "lucide-react";
import { type ReactNode, Suspense } from "react";
import type { ContainerView } from "@/api/openapi";
import { useShownTab } from "@/components/shown-tab";
import { Empty, Loading } from "@/components/states";
import { lazily } from "@/lib/fetched";
import { useMessages } from "@/lib/i18n";
import { useCanHere } from "./can-here";
import type { ContainerSearch, Tab } from "./container-search";
import { TABS } from "./container-search";
import { messages } from "./messages";
import type { Planned } from "./recreate";

const OverviewTab = lazily(() => import("./overview-tab"));
const ProcessesTab = lazily(() => import("./processes-tab"));
const FilesTab = lazily(() => import("./files-tab"));
const TerminalTab = lazily(() => import("./terminal-tab"));
const EnvironmentTab = lazily(() => import("./environment-tab"));
const InspectTab = lazily(() => import("./inspect-tab"));
const SettingsTab = lazily(() => import("./settings-tab"));

/** What each tab is made of needs this. */
const NEEDS: Record<Tab, string> = {
  overview: "container.read",
  logs: "container.logs",
  processes: "container.inspect",
  files: "container.read-files",
  terminal: "container.exec",
  environment: "container.inspect",
  inspect: "container.inspect",
  settings: "container.inspect",
};

interface ContainerTabsProps {
  container: ContainerView;
  search: ContainerSearch;
  onSearch: (next: Partial<ContainerSearch>, options?: { replace?: boolean }) => void;
  /** What the container writes; another feature shows it. */
  logs: ReactNode;
  onPlanned: (planned: Planned) => void;
}

/** Everything about a container, one part at a time. What may not be seen is not offered. */
export function ContainerTabs({ container, search, onSearch, logs, onPlanned }: ContainerTabsProps) {
  const t = useMessages(messages);
  const can = useCanHere(container);
  const tab = search.tab ?? "overview";
  const offered = TABS.filter((each) => can(NEEDS[each]));
  const strip = useShownTab(tab, offered.length);
  return (
    <Tabs.Root
      value={tab}
      onValueChange={(next) => onSearch({ tab: next === "overview" ? undefined : (next as Tab) })}
      className="flex min-w-0 flex-col"
    >
      <Tabs.List
        ref={strip}
        aria-label={t.tabsLabel}
        className="mb-4 flex min-w-0 gap-1 overflow-x-auto border-b border-line"
      >
        {offered.map((each) => (
          <Tabs.Trigger
            key={each}
            value={each}
            className="-mb-px h-9 shrink-0 border-b-2 border-transparent px-3 text-sm whitespace-nowrap text-muted select-none hover:text-text focus-visible:-outline-offset-2 data-[state=active]:border-accent data-[state=active]:font-medium data-[state=active]:text-text pointer-coarse:h-11"
          >
            {t.tabs[each]}
          </Tabs.Trigger>
        ))}
      </Tabs.List>
      <Tabs.Content value={tab} className="min-w-0 outline-none" tabIndex={-1}>
        {offered.includes(tab) ? (
          <Suspense fallback={<Loading label={t.tabs[tab]} rows={8} />}>
            {tab === "overview" && <OverviewTab container={container} search={search} onSearch={onSearch} />}
            {tab === "logs" && logs}
            {tab === "processes" && <ProcessesTab container={container} />}
            {tab === "files" && <FilesTab container={container} search={search} onSearch={onSearch} />}
            {tab === "terminal" && <TerminalTab container={container} />}
            {tab === "environment" && <EnvironmentTab container={container} />}
            {tab === "inspect" && <InspectTab container={container} search={search} onSearch={onSearch} />}
            {tab === "settings" && <SettingsTab container={container} onPlanned={onPlanned} />}
          </Suspense>
        ) : (
          <Empty icon={<Lock className="size-5" />} title={t.tabs[tab]}>
            {t.needs(NEEDS[tab])}
          </Empty>
        )}
      </Tabs.Content>
    </Tabs.Root>
  );
}
