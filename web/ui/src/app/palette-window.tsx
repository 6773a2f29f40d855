import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import {
  BookOpen,
  Boxes,
  FileCode2,
  Keyboard,
  Languages,
  LogOut,
  Palette as PaletteIcon,
  Rocket,
  Server,
  Sparkles,
  UserRound,
} from "lucide-react";
import type { ContainerView } from "@/api/openapi";
import { canOn, useCan } from "@/api/permissions";
import { clusterQuery, containersQuery, servicesQuery } from "@/api/queries";
import { logOut } from "@/api/session";
import { showError } from "@/components/ui/toast-store";
import { setAssistantOpen } from "@/features/assistant/opened";
import type { ContainerSearch } from "@/features/container/container-search";
import Palette, { type PaletteGroup, type PaletteItem } from "@/features/palette/palette";
import { parseImage } from "@/lib/format";
import { LANGUAGES, language, setLanguage, useMessages } from "@/lib/i18n";
import { setTheme } from "@/lib/theme";
import { messages } from "./messages";
import { usePages } from "./navigation";
import { pageTitles } from "./pages";

const ICON = "size-4";

/** The palette with what this person may open and do now. */
export default function PaletteWindow({
  query,
  onQuery,
  onClose,
  onShortcuts,
}: {
  query: string;
  onQuery: (query: string) => void;
  onClose: () => void;
  onShortcuts: () => void;
}) {
  const t = useMessages(messages);
  const groups: PaletteGroup[] = [
    { key: "pages", title: t.pages, items: usePageItems() },
    { key: "actions", title: t.actions, items: useActionItems(onShortcuts) },
    { key: "services", title: t.services, items: useServiceItems(), isSearchedOnly: true },
    { key: "hosts", title: t.hosts, items: useHostItems(), isSearchedOnly: true },
    { key: "containers", title: t.containers, items: useContainerItems(), isSearchedOnly: true },
  ];
  return <Palette groups={groups} query={query} onQuery={onQuery} onClose={onClose} />;
}

function usePageItems(): PaletteItem[] {
  const titles = useMessages(pageTitles);
  const navigate = useNavigate();
  return usePages().flatMap(({ pages }) =>
    pages.map(({ name, path, key, icon: Icon }) => ({
      key: path,
      name: titles[name],
      also: name,
      icon: <Icon className={ICON} />,
      note: `g ${key}`,
      run: () => void navigate({ to: path }),
    })),
  );
}

function useActionItems(onShortcuts: () => void): PaletteItem[] {
  const t = useMessages(messages);
  const can = useCan();
  const navigate = useNavigate();
  const client = useQueryClient();
  const leave = () => logOut(client, () => navigate({ to: "/login" })).catch(showError);
  return [
    ...(can("assistant.read")
      ? [
          {
            key: "assistant",
            name: t.assistant,
            note: "Ctrl J",
            icon: <Sparkles className={ICON} />,
            run: () => setAssistantOpen(true),
          },
        ]
      : []),
    ...(can("service.deploy")
      ? [
          {
            key: "deploy",
            name: t.deploy,
            icon: <FileCode2 className={ICON} />,
            run: () => void navigate({ to: "/deploy" }),
          },
        ]
      : []),
    {
      key: "account",
      name: t.account,
      icon: <UserRound className={ICON} />,
      run: () => void navigate({ to: "/account" }),
    },
    ...(["light", "dark", "system"] as const).map((theme) => ({
      key: theme,
      name: t.theme[theme],
      icon: <PaletteIcon className={ICON} />,
      run: () => setTheme(theme),
    })),
    ...LANGUAGES.filter((each) => each.language !== language()).map((each) => ({
      key: each.language,
      name: t.language(each.name),
      icon: <Languages className={ICON} />,
      run: () => setLanguage(each.language),
    })),
    {
      key: "api",
      name: t.apiReference,
      also: "API REST OpenAPI",
      icon: <BookOpen className={ICON} />,
      // Served beside the dashboard, and none of its pages.
      run: () => void window.open("/api/docs", "_blank", "noopener"),
    },
    { key: "keys", name: t.shortcuts, note: "?", icon: <Keyboard className={ICON} />, run: onShortcuts },
    { key: "leave", name: t.logOut, icon: <LogOut className={ICON} />, run: () => void leave() },
  ];
}

function useServiceItems(): PaletteItem[] {
  const can = useCan();
  const { data: services = [] } = useQuery({ ...servicesQuery, enabled: can("service.read") });
  const navigate = useNavigate();
  return services.map((service) => ({
    key: service.id,
    name: service.id,
    icon: <Rocket className={ICON} />,
    run: () => void navigate({ to: "/services/$service", params: { service: service.id } }),
  }));
}

function useHostItems(): PaletteItem[] {
  const t = useMessages(messages);
  const can = useCan();
  const { data: cluster } = useQuery({ ...clusterQuery, enabled: can("cluster.read") });
  const navigate = useNavigate();
  const nodes = cluster?.nodes.filter((node) => node.status !== "left") ?? [];
  return nodes.map((node) => ({
    key: node.id,
    name: node.name,
    note: node.status,
    icon: <Server className={ICON} />,
    items: () => [
      {
        key: "open",
        name: t.open,
        run: () => void navigate({ to: "/cluster", search: { host: node.id } }),
      },
      {
        key: "containers",
        name: t.containersOfHost,
        run: () => void navigate({ to: "/containers", search: { host: node.name } }),
      },
      {
        key: "metrics",
        name: t.openMetrics,
        run: () => void navigate({ to: "/explore", search: { of: `host:${node.name}` } }),
      },
    ],
  }));
}

function useContainerItems(): PaletteItem[] {
  const t = useMessages(messages);
  const can = useCan();
  const { data } = useQuery({ ...containersQuery, enabled: can("container.read") });
  const actions = useContainerActions();
  return (data?.containers ?? []).map((container) => ({
    key: `${container.node_id} ${container.id}`,
    name: container.name,
    also: `${container.node_name} ${container.project} ${container.image}`,
    note: t.onHost(parseImage(container.image).short, container.node_name),
    icon: <Boxes className={ICON} />,
    items: () => actions(container),
  }));
}

function useContainerActions(): (container: ContainerView) => PaletteItem[] {
  const t = useMessages(messages);
  const can = useCan();
  const navigate = useNavigate();
  return (container) => {
    const params = { node: container.node_id, container: container.id };
    const open = (search: ContainerSearch) =>
      void navigate({ to: "/containers/$node/$container", params, search });
    const canHere = canOn(container, can);
    return [
      { key: "open", name: t.open, run: () => open({}) },
      ...(canHere("container.logs")
        ? [
            {
              key: "logs",
              name: t.openLogs,
              run: () =>
                void navigate({
                  to: "/logs",
                  search: { c: `${container.node_id}:${container.id}` },
                }),
            },
          ]
        : []),
      ...(canHere("container.exec")
        ? [{ key: "terminal", name: t.openTerminal, run: () => open({ tab: "terminal" }) }]
        : []),
    ];
  };
}
