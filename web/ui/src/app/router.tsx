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
import { forgetLogin, mayBeLoggedIn, meQuery, noteLogin, setupQuery } from "@/api/session";
import { Toaster } from "@/components/ui/toaster";
import { LoginRoute } from "@/routes/login";
import { parseLoginSearch } from "@/routes/login-search";
import { OverviewPage } from "@/routes/overview";
import { parseSearch } from "@/routes/overview-search";
import { Beginning, BeginningPage, Broken, NoSuchPage } from "./fallbacks";
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

const page = <Path extends string>(path: Path, component: ReturnType<typeof lazyRouteComponent>) =>
  createRoute({ getParentRoute: () => shellRoute, path, component, pendingComponent: BeginningPage });

/** Every page behind the login but the first is fetched when it is opened. */
const pageRoutes = [
  page(
    "/alerts",
    lazyRouteComponent(() => import("@/routes/alerts"), "AlertsRoute"),
  ),
  page(
    // What is at /metrics is for Prometheus.
    "/explore",
    lazyRouteComponent(() => import("@/routes/metrics"), "MetricsRoute"),
  ),
  page(
    "/logs",
    lazyRouteComponent(() => import("@/routes/logs"), "LogsRoute"),
  ),
  page(
    "/capacity",
    lazyRouteComponent(() => import("@/routes/capacity"), "CapacityRoute"),
  ),
  page(
    "/containers",
    lazyRouteComponent(() => import("@/routes/containers"), "ContainersRoute"),
  ),
  page(
    "/containers/$node/$container",
    lazyRouteComponent(() => import("@/routes/container"), "ContainerRoute"),
  ),
  page(
    "/services",
    lazyRouteComponent(() => import("@/routes/services"), "ServicesRoute"),
  ),
  page(
    "/services/$service",
    lazyRouteComponent(() => import("@/routes/service"), "ServiceRoute"),
  ),
  page(
    "/deploy",
    lazyRouteComponent(() => import("@/routes/deploy"), "DeployRoute"),
  ),
  page(
    "/rollouts/$rollout",
    lazyRouteComponent(() => import("@/routes/rollout"), "RolloutRoute"),
  ),
  page(
    "/environments",
    lazyRouteComponent(() => import("@/routes/environments"), "EnvironmentsRoute"),
  ),
  page(
    "/schedules",
    lazyRouteComponent(() => import("@/routes/schedules"), "SchedulesRoute"),
  ),
  page(
    "/resources",
    lazyRouteComponent(() => import("@/routes/resources"), "ResourcesRoute"),
  ),
  page(
    "/cluster",
    lazyRouteComponent(() => import("@/routes/cluster"), "ClusterRoute"),
  ),
  page(
    "/access",
    lazyRouteComponent(() => import("@/routes/access"), "AccessRoute"),
  ),
  page(
    "/audit",
    lazyRouteComponent(() => import("@/routes/audit"), "AuditRoute"),
  ),
  page(
    "/integrations",
    lazyRouteComponent(() => import("@/routes/integrations"), "IntegrationsRoute"),
  ),
  page(
    "/settings",
    lazyRouteComponent(() => import("@/routes/settings"), "SettingsRoute"),
  ),
  page(
    "/account",
    lazyRouteComponent(() => import("@/routes/account"), "AccountRoute"),
  ),
] as const;

const loginRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/login",
  validateSearch: parseLoginSearch,
  beforeLoad: async ({ search }) => {
    if (search.signed_in !== undefined) {
      noteLogin();
      throw redirect({ href: search.next ?? "/" });
    }
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
  routeTree: rootRoute.addChildren([
    shellRoute.addChildren([overviewRoute, ...pageRoutes]),
    loginRoute,
    setupRoute,
  ]),
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
