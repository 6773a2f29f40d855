import { Page } from "@/components/page";
import { Tabs } from "@/components/tabs";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { ProjectsTab } from "./projects-tab";
import { EVERYTHING, type ResourcesView } from "./resource-rows";
import { ImagesTab, NetworksTab, VolumesTab } from "./tabs";

interface ResourcesPageProps {
  view: ResourcesView;
  onView: (change: Partial<ResourcesView>) => void;
}

/** What engines keep beside containers, and what of it may go. */
export function ResourcesPage({ view, onView }: ResourcesPageProps) {
  const t = useMessages(messages);
  const shared = { view, onView };
  return (
    <Page title={t.title}>
      <Tabs
        label={t.kinds}
        shown={view.tab}
        // A host that was chosen is meant for all kinds, a search for one.
        onShow={(tab) => onView({ ...EVERYTHING, host: view.host, tab })}
        tabs={[
          { name: "images", title: t.tabs.images, content: <ImagesTab {...shared} /> },
          { name: "volumes", title: t.tabs.volumes, content: <VolumesTab {...shared} /> },
          { name: "networks", title: t.tabs.networks, content: <NetworksTab {...shared} /> },
          { name: "projects", title: t.tabs.projects, content: <ProjectsTab {...shared} /> },
        ]}
      />
    </Page>
  );
}
