import { Link } from "@tanstack/react-router";
import { useCan } from "@/api/permissions";
import { cn } from "@/lib/cn";
import { useMessages } from "@/lib/i18n";
import { AlertCount } from "./alert-count";
import { messages } from "./messages";
import { PAGES, type PageInfo, pageTitles } from "./pages";
import { PlanCount } from "./plan-count";

/** The pages this person may open, in groups. */
export function usePages(): { key: "watch" | "run" | "manage"; pages: PageInfo[] }[] {
  const can = useCan();
  return PAGES.map(({ key, pages }) => ({ key, pages: pages.filter(({ action }) => can(action)) })).filter(
    ({ pages }) => pages.length > 0,
  );
}

/** Links to every page. Narrow screens show icons alone, with the names for readers and under the pointer. */
export function Navigation({
  isIcons = false,
  onFollow,
}: {
  /** Only icons between the widths of a tablet and a desk. */
  isIcons?: boolean;
  onFollow?: () => void;
}) {
  const t = useMessages(messages);
  const titles = useMessages(pageTitles);
  return (
    <nav aria-label={t.pages} className="flex flex-col gap-4 px-2 py-3">
      {usePages().map(({ key, pages }) => (
        <div key={key} className="flex flex-col gap-0.5">
          <p
            aria-hidden
            className={cn("px-2.5 pb-1 text-2xs font-medium text-muted", isIcons && "max-lg:hidden")}
          >
            {t[key]}
          </p>
          {pages.map(({ name, path, icon: Icon }) => (
            <Link
              key={path}
              to={path}
              preload="intent"
              activeOptions={{ exact: path === "/", includeSearch: false }}
              activeProps={{ className: "bg-accent-soft text-accent" }}
              inactiveProps={{ className: "text-muted hover:bg-hover hover:text-text" }}
              title={isIcons ? titles[name] : undefined}
              onClick={onFollow}
              className="flex h-8 items-center gap-2.5 rounded-md px-2.5 text-sm font-medium pointer-coarse:h-10"
            >
              <Icon aria-hidden className="size-4 shrink-0" />
              <span className={cn("min-w-0 flex-1 truncate", isIcons && "max-lg:sr-only")}>
                {titles[name]}
              </span>
              {name === "alerts" && <AlertCount isIcons={isIcons} />}
              {name === "approvals" && <PlanCount isIcons={isIcons} />}
            </Link>
          ))}
        </div>
      ))}
    </nav>
  );
}
