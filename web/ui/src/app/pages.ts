import {
  Activity,
  Bell,
  Boxes,
  CalendarClock,
  ClipboardCheck,
  FileKey,
  Gauge,
  HardDrive,
  KeyRound,
  Layers,
  LayoutDashboard,
  type LucideIcon,
  Plug,
  Rocket,
  ScrollText,
  Server,
  Settings,
  ShieldCheck,
} from "lucide-react";
import { defineMessages, type Messages } from "@/lib/i18n";

const titles = defineMessages({
  en: {
    overview: "Overview",
    alerts: "Alerts",
    approvals: "Approvals",
    metrics: "Metrics",
    logs: "Logs",
    capacity: "Capacity",
    containers: "Containers",
    services: "Services",
    environments: "Environments",
    secrets: "Secrets",
    schedules: "Schedules",
    resources: "Resources",
    cluster: "Cluster",
    access: "Access",
    audit: "Audit",
    integrations: "Integrations",
    settings: "Settings",
  },
  it: {
    overview: "Panoramica",
    alerts: "Avvisi",
    approvals: "Approvazioni",
    metrics: "Metriche",
    logs: "Log",
    capacity: "Capacità",
    containers: "Container",
    services: "Servizi",
    environments: "Ambienti",
    secrets: "Segreti",
    schedules: "Pianificazione",
    resources: "Risorse",
    cluster: "Cluster",
    access: "Accessi",
    audit: "Audit",
    integrations: "Integrazioni",
    settings: "Impostazioni",
  },
});

type TitlesOf<M> = M extends Messages<infer Told> ? keyof Told : never;
export type PageName = TitlesOf<typeof titles>;

export interface PageInfo {
  name: PageName;
  path: string;
  icon: LucideIcon;
  /** After `g`. */
  key: string;
  /** The page is offered to those who may do this. */
  action: string;
}

export const pageTitles = titles;

/** The pages of the navigation, in groups: what is watched, what runs, what is managed. */
export const PAGES: readonly { key: "watch" | "run" | "manage"; pages: readonly PageInfo[] }[] = [
  {
    key: "watch",
    pages: [
      { name: "overview", path: "/", icon: LayoutDashboard, key: "o", action: "cluster.read" },
      { name: "alerts", path: "/alerts", icon: Bell, key: "a", action: "alert.read" },
      { name: "approvals", path: "/plans", icon: ClipboardCheck, key: "v", action: "plan.read" },
      { name: "metrics", path: "/explore", icon: Activity, key: "m", action: "metrics.read" },
      { name: "logs", path: "/logs", icon: ScrollText, key: "l", action: "container.logs" },
      { name: "capacity", path: "/capacity", icon: Gauge, key: "p", action: "metrics.read" },
    ],
  },
  {
    key: "run",
    pages: [
      { name: "containers", path: "/containers", icon: Boxes, key: "c", action: "container.read" },
      { name: "services", path: "/services", icon: Rocket, key: "s", action: "service.read" },
      { name: "environments", path: "/environments", icon: Layers, key: "e", action: "environment.read" },
      { name: "secrets", path: "/secrets", icon: FileKey, key: "k", action: "secret.read" },
      { name: "schedules", path: "/schedules", icon: CalendarClock, key: "d", action: "window.read" },
      { name: "resources", path: "/resources", icon: HardDrive, key: "r", action: "image.read" },
    ],
  },
  {
    key: "manage",
    pages: [
      { name: "cluster", path: "/cluster", icon: Server, key: "h", action: "cluster.read" },
      { name: "access", path: "/access", icon: KeyRound, key: "u", action: "user.read" },
      { name: "audit", path: "/audit", icon: ShieldCheck, key: "t", action: "audit.read" },
      { name: "integrations", path: "/integrations", icon: Plug, key: "w", action: "webhook.read" },
      { name: "settings", path: "/settings", icon: Settings, key: "x", action: "setting.read" },
    ],
  },
];

/** Where somebody begins: at the overview of the cluster, or without that at their containers. */
export function firstPage(can: (action: string) => boolean): string {
  const open = PAGES.flatMap(({ pages }) => pages).filter(({ action }) => can(action));
  const first = ["overview", "containers"].flatMap((name) => open.find((page) => page.name === name) ?? []);
  return (first[0] ?? open[0])?.path ?? "/account";
}
