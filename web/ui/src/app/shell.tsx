import { useQuery } from "@tanstack/react-query";
import { Link, Outlet } from "@tanstack/react-router";
import { useEffect } from "react";
import { LiveContext, useLiveConnection } from "@/api/live";
import { clusterQuery } from "@/api/queries";
import { Logo } from "@/components/logo";
import { AccountMenu } from "@/features/auth/account-menu";
import { LiveIndicator } from "@/features/overview/live-indicator";

/** The frame of every page behind the login, and the live connection they share. */
export function Shell() {
  const connection = useLiveConnection();
  const { data: cluster } = useQuery(clusterQuery);
  const name = cluster?.name ?? "";
  useEffect(() => {
    document.title = name === "" ? "Control Tower" : `${name} · Control Tower`;
  }, [name]);
  return (
    <LiveContext.Provider value={connection}>
      <a
        href="#content"
        className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-md focus:bg-raised focus:px-3 focus:py-1.5 focus:shadow-float"
      >
        Skip to the content
      </a>
      <header className="sticky top-0 z-30 border-b border-line bg-surface">
        <div className="mx-auto flex h-12 max-w-[1560px] items-center gap-3 px-4 sm:px-6">
          <Link to="/" className="flex shrink-0 items-center gap-2.5 font-semibold whitespace-nowrap">
            <Logo className="size-6" />
            Control Tower
          </Link>
          {name !== "" && (
            <span className="min-w-0 truncate border-l border-line pl-3 text-sm text-muted">{name}</span>
          )}
          <div className="ml-auto flex shrink-0 items-center gap-3">
            <LiveIndicator />
            <AccountMenu />
          </div>
        </div>
      </header>
      <main id="content" tabIndex={-1} className="mx-auto max-w-[1560px] px-4 py-5 outline-none sm:px-6">
        <h1 className="sr-only">Overview</h1>
        <Outlet />
      </main>
    </LiveContext.Provider>
  );
}
