import { useCallback, useMemo, useState } from "react";
import { flagIn, oneIn, textIn, usePageSearch } from "@/components/page-search";
import { type ResourcesView, TABS, type TabName, USES, type Use } from "@/features/resources/resource-rows";
import { ResourcesPage } from "@/features/resources/resources-page";

/** The part of the page's address after the `?`. What is as usual is left out. */
export interface ResourcesSearch {
  tab?: TabName | undefined;
  q?: string | undefined;
  host?: string | undefined;
  project?: string | undefined;
  use?: Use | undefined;
  sort?: string | undefined;
  desc?: true | undefined;
}

function parse(raw: Record<string, unknown>): ResourcesSearch {
  return {
    tab: oneIn(TABS, raw.tab),
    q: textIn(raw.q),
    host: textIn(raw.host),
    project: textIn(raw.project),
    use: oneIn(USES, raw.use),
    sort: textIn(raw.sort),
    desc: flagIn(raw.desc),
  };
}

/** Images, volumes, networks and projects of every host. */
export function ResourcesRoute() {
  const [search, change] = usePageSearch(parse);
  // What is typed is shown at once; the address follows.
  const [typed, setTyped] = useState<{ tab: TabName; text: string } | null>(null);
  const tab = search.tab ?? "images";
  const text = typed !== null && typed.tab === tab ? typed.text : (search.q ?? "");
  const view = useMemo<ResourcesView>(
    () => ({
      tab,
      text,
      host: search.host ?? "",
      project: search.project ?? "",
      use: search.use ?? "",
      sort: search.sort ?? "",
      isDescending: search.desc ?? false,
    }),
    [tab, text, search],
  );
  const onView = useCallback(
    (next: Partial<ResourcesView>) => {
      if (next.tab !== undefined) setTyped(null);
      else if (next.text !== undefined) setTyped({ tab, text: next.text });
      const changed = { ...view, ...next };
      change(
        {
          tab: changed.tab === "images" ? undefined : changed.tab,
          q: changed.text || undefined,
          host: changed.host || undefined,
          project: changed.project || undefined,
          use: changed.use || undefined,
          sort: changed.sort || undefined,
          desc: changed.isDescending || undefined,
        },
        { replace: next.tab === undefined },
      );
    },
    [change, view, tab],
  );
  return <ResourcesPage view={view} onView={onView} />;
}
