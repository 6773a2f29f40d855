import { useNavigate, useParams } from "@tanstack/react-router";
import { oneIn, usePageSearch, wholeIn } from "@/components/page-search";
import { SERVICE_TABS, ServicePage, type ServiceTab } from "@/features/services/service-page";

export interface ServiceSearch {
  tab?: ServiceTab | undefined;
  /** The revisions that are compared. */
  before?: number | undefined;
  after?: number | undefined;
}

function parse(raw: Record<string, unknown>): ServiceSearch {
  return { tab: oneIn(SERVICE_TABS, raw.tab), before: wholeIn(raw.before), after: wholeIn(raw.after) };
}

export function ServiceRoute() {
  const { service }: { service?: string } = useParams({ strict: false });
  const [{ tab, before, after }, change] = usePageSearch(parse);
  const navigate = useNavigate();
  return (
    <ServicePage
      key={service}
      id={service ?? ""}
      tab={tab ?? "overview"}
      compared={before === undefined || after === undefined ? undefined : { before, after }}
      onTab={(next) =>
        change({ tab: next === "overview" ? undefined : next, before: undefined, after: undefined })
      }
      onCompare={(compared) => change({ before: compared?.before, after: compared?.after })}
      onRemoved={() => void navigate({ to: "/services" })}
    />
  );
}
