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
import { clusterQuery, containersQuery } from "@/api/queries";
import {
  forgetLogin,
  mayBeLoggedIn,
  maySeeCluster,
  meQuery,
  noteLogin,
  noteSight,
  setupQuery,
} from "@/api/session";
import { Toaster } from "@/components/ui/toaster";
import type { AlertsSearch } from "@/features/alerts/alerts-search";
import type { CapacitySearch } from "@/features/capacity/capacity-search";
import type { ContainerSearch } from "@/features/container/container-search";
import type { LogsSearch } from "@/features/logs/logs-search";
import type { MetricsSearch } from "@/features/metrics/metrics-search";
import { fetched } from "@/lib/fetched";
import type { AccessSearch } from "@/routes/access";
import type { AuditPageSearch } from "@/routes/audit";
import type { ClusterSearch } from "@/routes/cluster";
import type { ContainersSearch } from "@/routes/containers-search";
import type { DeploySearch } from "@/routes/deploy";
import type { EnvironmentsSearch } from "@/routes/environments";
import type { IntegrationsSearch } from "@/routes/integrations";
import { LoginRoute } from "@/routes/login";
import { parseLoginSearch } from "@/routes/login-search";
import { OverviewPage } from "@/routes/overview";
import { parseSearch } from "@/routes/overview-search";
import type { ResourcesSearch } from "@/routes/resources";
import type { RolloutSearch } from "@/routes/rollout";
import type { SecretsSearch } from "@/routes/secrets";
import type { ServiceSearch } from "@/routes/service";
import type { ServicesSearch } from "@/routes/services";
import { Beginning, BeginningPage, Broken, NoSuchPage } from "./fallbacks";
import { firstPage } from "./pages";
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

type PageComponent = ReturnType<typeof lazyRouteComponent>;

/** Of the pages that are at one address. */
const components = new Map<string, PageComponent>();

const SHOWS_CONTAINERS: readonly string[] = ["/", "/containers"];

/** Everything behind the login. */
const shellRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "shell",
  beforeLoad: async ({ location }) => {
    if (mayBeLoggedIn()) {
      // Every page shows something of it: asked for now, it is there when the first is rendered.
      if (maySeeCluster()) void queryClient.prefetchQuery(clusterQuery);
      // Nor need the page's code wait for who is asking; where it fails, the page itself fetches it again.
      void components
        .get(location.pathname)
        ?.preload?.()
        ?.catch(() => undefined);
      try {
        const me = await queryClient.ensureQueryData(meQuery);
        noteSight(me);
        if (SHOWS_CONTAINERS.includes(location.pathname) && me.permissions.includes("container.read"))
          void queryClient.prefetchQuery(containersQuery);
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
  beforeLoad: () => {
    const me = queryClient.getQueryData(meQuery.queryKey);
    const first = firstPage((action) => me?.permissions.includes(action) ?? false);
    // Whoever is bound to a few containers is not met by a page of refusals.
    if (first !== "/") throw redirect({ to: first, replace: true });
  },
  component: OverviewPage,
});

const page = <Path extends string, Search extends object>(
  path: Path,
  component: PageComponent,
  validateSearch: (raw: Record<string, unknown>) => Search,
) => {
  components.set(path, component);
  return createRoute({
    getParentRoute: () => shellRoute,
    path,
    component,
    validateSearch,
    pendingComponent: BeginningPage,
  });
};

/**
 * What links to a page may say after the `?`. The page itself reads it (`usePageSearch`), with code that is fetched with
 * the page: here are its types alone.
 */
function searched<Search extends object = NoSearch>(): (raw: Record<string, unknown>) => Search {
  return (raw) => raw as Search;
}

type NoSearch = Record<string, never>;

/** Every page behind the login but the first is fetched when it is opened. */
const pageRoutes = [
  page(
    "/alerts",
    lazyRouteComponent(() => fetched(() => import("@/routes/alerts")), "AlertsRoute"),
    searched<AlertsSearch>(),
  ),
  page(
    "/plans",
    lazyRouteComponent(() => fetched(() => import("@/routes/plans")), "PlansRoute"),
    searched(),
  ),
  page(
    "/plans/$plan",
    lazyRouteComponent(() => fetched(() => import("@/routes/plan")), "PlanRoute"),
    searched(),
  ),
  page(
    // What is at /metrics is for Prometheus.
    "/explore",
    lazyRouteComponent(() => fetched(() => import("@/routes/metrics")), "MetricsRoute"),
    searched<MetricsSearch>(),
  ),
  page(
    "/logs",
    lazyRouteComponent(() => fetched(() => import("@/routes/logs")), "LogsRoute"),
    searched<LogsSearch>(),
  ),
  page(
    "/capacity",
    lazyRouteComponent(() => fetched(() => import("@/routes/capacity")), "CapacityRoute"),
    searched<CapacitySearch>(),
  ),
  page(
    "/containers",
    lazyRouteComponent(() => fetched(() => import("@/routes/containers")), "ContainersRoute"),
    searched<ContainersSearch>(),
  ),
  page(
    "/containers/$node/$container",
    lazyRouteComponent(() => fetched(() => import("@/routes/container")), "ContainerRoute"),
    searched<ContainerSearch>(),
  ),
  page(
    "/services",
    lazyRouteComponent(() => fetched(() => import("@/routes/services")), "ServicesRoute"),
    searched<ServicesSearch>(),
  ),
  page(
    "/services/$service",
    lazyRouteComponent(() => fetched(() => import("@/routes/service")), "ServiceRoute"),
    searched<ServiceSearch>(),
  ),
  page(
    "/deploy",
    lazyRouteComponent(() => fetched(() => import("@/routes/deploy")), "DeployRoute"),
    searched<DeploySearch>(),
  ),
  page(
    "/rollouts/$rollout",
    lazyRouteComponent(() => fetched(() => import("@/routes/rollout")), "RolloutRoute"),
    searched<RolloutSearch>(),
  ),
  page(
    "/environments",
    lazyRouteComponent(() => fetched(() => import("@/routes/environments")), "EnvironmentsRoute"),
    searched<EnvironmentsSearch>(),
  ),
  page(
    "/secrets",
    lazyRouteComponent(() => fetched(() => import("@/routes/secrets")), "SecretsRoute"),
    searched<SecretsSearch>(),
  ),
  page(
    "/schedules",
    lazyRouteComponent(() => fetched(() => import("@/routes/schedules")), "SchedulesRoute"),
    searched(),
  ),
  page(
    "/resources",
    lazyRouteComponent(() => fetched(() => import("@/routes/resources")), "ResourcesRoute"),
    searched<ResourcesSearch>(),
  ),
  page(
    "/cluster",
    lazyRouteComponent(() => fetched(() => import("@/routes/cluster")), "ClusterRoute"),
    searched<ClusterSearch>(),
  ),
  page(
    "/access",
    lazyRouteComponent(() => fetched(() => import("@/routes/access")), "AccessRoute"),
    searched<AccessSearch>(),
  ),
  page(
    "/audit",
    lazyRouteComponent(() => fetched(() => import("@/routes/audit")), "AuditRoute"),
    searched<AuditPageSearch>(),
  ),
  page(
    "/integrations",
    lazyRouteComponent(() => fetched(() => import("@/routes/integrations")), "IntegrationsRoute"),
    searched<IntegrationsSearch>(),
  ),
  page(
    "/settings",
    lazyRouteComponent(() => fetched(() => import("@/routes/settings")), "SettingsRoute"),
    searched(),
  ),
  page(
    "/account",
    lazyRouteComponent(() => fetched(() => import("@/routes/account")), "AccountRoute"),
    searched(),
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
  component: lazyRouteComponent(() => fetched(() => import("@/routes/setup")), "SetupRoute"),
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
