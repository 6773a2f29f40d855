import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { whenSessionLost } from "@/api/client";
import { isStatus } from "@/api/problem";
import { forgetLogin, mayBeLoggedIn, meQuery, setupQuery } from "@/api/session";
import { Toaster } from "@/components/ui/toaster";
import { LoginRoute } from "@/routes/login";
import { OverviewPage } from "@/routes/overview";
import { parseSearch } from "@/routes/overview-search";
import { Beginning, Broken, NoSuchPage } from "./fallbacks";
import { queryClient } from "./query-client";
import { Shell } from "./shell";

const rootRoute = createRootRoute({
  component: () => (
    <>
      <Outlet />
      <Toaster />
    </>
  ),
  notFoundComponent: NoSuchPage,
  errorComponent: Broken,
});

/** Everything behind the login. */
const shellRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "shell",
  beforeLoad: async ({ location }) => {
    if (mayBeLoggedIn()) {
      try {
        await queryClient.ensureQueryData(meQuery);
        return;
      } catch (error) {
        if (!isStatus(error, 401)) throw error;
        forgetLogin();
      }
    }
    throw redirect({ to: "/login", search: location.href === "/" ? {} : { next: location.href } });
  },
  component: Shell,
});

const overviewRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: "/",
  validateSearch: parseSearch,
  component: OverviewPage,
});

const loginRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/login",
  validateSearch: (raw: Record<string, unknown>): { next?: string | undefined } => ({
    // Only addresses of this site: anything else would let a link send people elsewhere after their login.
    next: typeof raw.next === "string" && /^\/(?!\/)/.test(raw.next) ? raw.next : undefined,
  }),
  beforeLoad: async () => {
    const setup = await queryClient.fetchQuery(setupQuery).catch(() => null);
    if (setup?.is_needed) throw redirect({ to: "/setup" });
  },
  component: LoginRoute,
});

const setupRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/setup",
  component: lazyRouteComponent(() => import("@/routes/setup"), "SetupRoute"),
});

export const router = createRouter({
  routeTree: rootRoute.addChildren([shellRoute.addChildren([overviewRoute]), loginRoute, setupRoute]),
  defaultPreload: false,
  defaultPendingComponent: Beginning,
  scrollRestoration: false,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

whenSessionLost(() => {
  // A check at the start of a page leads to the login by itself.
  if (queryClient.getQueryData(meQuery.queryKey) === undefined) return;
  queryClient.removeQueries({ queryKey: meQuery.queryKey });
  void router.invalidate();
});
