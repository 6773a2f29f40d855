import { oneIn, textIn, usePageSearch } from "@/components/page-search";
import { SERVICE_STATES, type ServiceState, type ServicesView } from "@/features/services/service-filter";
import { ServicesPage } from "@/features/services/services-page";

export interface ServicesSearch {
  q?: string | undefined;
  project?: string | undefined;
  state?: ServiceState | undefined;
  host?: string | undefined;
}

function parse(raw: Record<string, unknown>): ServicesSearch {
  return {
    q: textIn(raw.q),
    project: textIn(raw.project),
    state: oneIn(SERVICE_STATES, raw.state),
    host: textIn(raw.host),
  };
}

export function ServicesRoute() {
  const [search, change] = usePageSearch(parse);
  const view: ServicesView = {
    text: search.q ?? "",
    project: search.project ?? "",
    state: search.state ?? "",
    host: search.host ?? "",
  };
  return (
    <ServicesPage
      view={view}
      onView={(next) => {
        const { text, project, state, host } = { ...view, ...next };
        change(
          {
            q: text || undefined,
            project: project || undefined,
            state: state || undefined,
            host: host || undefined,
          },
          { replace: true },
        );
      }}
    />
  );
}
