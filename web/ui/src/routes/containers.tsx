import { useCallback, useEffect, useRef, useState } from "react";
import { usePageSearch } from "@/components/page-search";
import type { ContainersView } from "@/features/containers/container-rows";
import { ContainersPage } from "@/features/containers/containers-page";
import { type ContainersSearch, parseSearch, searchOf, viewOf } from "./containers-search";
import { ViewInAddress } from "./view-in-address";

/** Every container of every host. What is searched, filtered, sorted and grouped is in the page's address. */
export function ContainersRoute() {
  const [search, change] = usePageSearch(parseSearch);
  const write = useCallback((next: ContainersSearch) => change(next, { replace: true }), [change]);
  const [view, onView] = useViewInAddress(search, write);
  return <ContainersPage view={view} onView={onView} />;
}

/** The view of the containers, shown at once and written to the address. */
function useViewInAddress(
  search: ContainersSearch,
  write: (next: ContainersSearch) => void,
): [ContainersView, (next: Partial<ContainersView>) => void] {
  const kept = useRef<ViewInAddress>(undefined);
  kept.current ??= new ViewInAddress(viewOf(search));
  const [view, setView] = useState(kept.current.view);
  useEffect(() => {
    if (kept.current?.see(viewOf(search))) setView(kept.current.view);
  }, [search]);
  const change = useCallback(
    (next: Partial<ContainersView>) => {
      if (kept.current === undefined) return;
      const changed = kept.current.change(next);
      setView(changed);
      write(searchOf(changed));
    },
    [write],
  );
  return [view, change];
}
