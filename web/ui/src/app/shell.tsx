import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { Menu, Search, Sparkles } from "lucide-react";
import { Suspense, useEffect, useLayoutEffect, useRef, useState } from "react";
import { LiveContext, useLiveConnection } from "@/api/live";
import { useCan } from "@/api/permissions";
import { clusterQuery } from "@/api/queries";
import { Logo } from "@/components/logo";
import { Button } from "@/components/ui/button";
import { useShortcuts } from "@/components/use-shortcuts";
import {
  ASSISTANT_ID,
  setAssistantOpen,
  toggleAssistant,
  useAssistantOpened,
} from "@/features/assistant/opened";
import { AccountMenu } from "@/features/auth/account-menu";
import { Banners } from "@/features/overview/banners";
import { LiveIndicator } from "@/features/overview/live-indicator";
import { lazily } from "@/lib/fetched";
import { useMessages } from "@/lib/i18n";
import { listenToKeys, typeAhead } from "@/lib/keys";
import { messages } from "./messages";
import { Navigation, usePages } from "./navigation";
import { pageTitles } from "./pages";

const AlertNews = lazily(() => import("@/features/alerts/alert-news"));
const AssistantBeside = lazily(() => import("./assistant-beside"));
const NavigationDrawer = lazily(() => import("./navigation-drawer"));
const PaletteWindow = lazily(() => import("./palette-window"));
const ShortcutsSheet = lazily(() => import("./shortcuts-sheet"));

type Opened = "pages" | "palette" | "shortcuts" | null;

/** The frame of every page behind the login, and the live connection they share. */
export function Shell() {
  const connection = useLiveConnection();
  const can = useCan();
  const { data: cluster } = useQuery({ ...clusterQuery, enabled: can("cluster.read") });
  const t = useMessages(messages);
  const [opened, setOpened] = useState<Opened>(null);
  const close = () => setOpened(null);
  const [query, setQuery] = useTypedAhead(opened === "palette");
  useEffect(listenToKeys, []);
  useContentInFocus();
  usePageShortcuts(setOpened);
  return (
    <LiveContext.Provider value={connection}>
      <a
        href="#content"
        className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-md focus:bg-raised focus:px-3 focus:py-1.5 focus:shadow-float"
      >
        {t.skip}
      </a>
      <header className="sticky top-0 z-30 flex h-12 items-center gap-2 border-b border-line bg-surface px-2 sm:gap-3 sm:px-4">
        <Button
          tone="ghost"
          isIcon
          aria-label={t.openPages}
          aria-haspopup="dialog"
          className="md:hidden"
          onClick={() => setOpened("pages")}
        >
          <Menu aria-hidden className="size-4" />
        </Button>
        <Link to="/" className="flex shrink-0 items-center gap-2.5 font-semibold whitespace-nowrap">
          <Logo className="size-6" />
          <span className="max-sm:sr-only">Control Tower</span>
        </Link>
        {cluster !== undefined && cluster.name !== "" && (
          <span className="min-w-0 truncate text-sm text-muted sm:border-l sm:border-line sm:pl-3">
            {cluster.name}
          </span>
        )}
        <div className="ml-auto flex shrink-0 items-center gap-2 sm:gap-3">
          <Button
            title={t.searchLong}
            aria-haspopup="dialog"
            aria-keyshortcuts="Control+K Meta+K"
            className="text-muted max-sm:w-8 max-sm:border-transparent max-sm:px-0 sm:w-56 sm:justify-start"
            onClick={() => setOpened("palette")}
          >
            <Search aria-hidden className="size-3.5" />
            <span className="flex-1 text-left max-sm:sr-only">{t.search}</span>
            <kbd aria-hidden className="font-sans text-xs max-sm:hidden">
              Ctrl K
            </kbd>
          </Button>
          <LiveIndicator />
          {can("assistant.read") && <AssistantButton />}
          <AccountMenu />
        </div>
      </header>
      <div className="flex">
        <aside className="sticky top-12 h-[calc(100dvh-3rem)] shrink-0 overflow-y-auto border-r border-line bg-surface max-md:hidden md:w-14 lg:w-48">
          <Navigation isIcons />
        </aside>
        <main id="content" tabIndex={-1} className="min-w-0 flex-1 px-4 py-5 outline-none sm:px-6">
          <div className="mx-auto max-w-[1560px]">
            <div className="mb-5 empty:hidden has-[>div:empty]:hidden">
              <Banners />
            </div>
            <Outlet />
          </div>
        </main>
        {can("assistant.read") && <AssistantOnceOpened />}
      </div>
      <Suspense fallback={null}>
        {can("alert.read") && <AlertNews />}
        {opened === "pages" && <NavigationDrawer onClose={close} />}
        {opened === "palette" && (
          <PaletteWindow
            query={query}
            onQuery={setQuery}
            onClose={close}
            onShortcuts={() => setOpened("shortcuts")}
          />
        )}
        {opened === "shortcuts" && <ShortcutsSheet onClose={close} />}
      </Suspense>
    </LiveContext.Provider>
  );
}

function AssistantButton() {
  const t = useMessages(messages);
  const { isOpen } = useAssistantOpened();
  return (
    <Button
      tone="ghost"
      isIcon
      aria-label={t.assistant}
      title={t.assistant}
      aria-expanded={isOpen}
      aria-controls={ASSISTANT_ID}
      aria-keyshortcuts="Control+J Meta+J"
      onClick={() => setAssistantOpen(!isOpen)}
    >
      <Sparkles aria-hidden className="size-4" />
    </Button>
  );
}

/** Fetched when it is opened for the first time. From then on it is there, since an answer may be on its way. */
function AssistantOnceOpened() {
  const { isOpen } = useAssistantOpened();
  const [wasOpened, setOpened] = useState(isOpen);
  if (isOpen && !wasOpened) setOpened(true);
  return (
    wasOpened && (
      <Suspense fallback={null}>
        <AssistantBeside />
      </Suspense>
    )
  );
}

/** A text that takes up what is typed from the moment it is asked for, before its field is there. */
function useTypedAhead(isAskedFor: boolean) {
  const [text, setText] = useState("");
  // Before the next key can come.
  useLayoutEffect(() => {
    if (!isAskedFor) return;
    setText("");
    return typeAhead(setText);
  }, [isAskedFor]);
  return [text, setText] as const;
}

/** Another page begins at its top, and readers and keys begin at its content. */
function useContentInFocus(): void {
  const path = useRouterState({ select: ({ resolvedLocation }) => resolvedLocation?.pathname });
  const before = useRef(path);
  useEffect(() => {
    if (path === undefined || path === before.current) return;
    if (before.current !== undefined) {
      window.scrollTo(0, 0);
      document.getElementById("content")?.focus({ preventScroll: true });
    }
    before.current = path;
  }, [path]);
}

/** The shortcuts of every page: the palette, the sheet of shortcuts, the search of the page, and the other pages. */
function usePageShortcuts(open: (opened: Opened) => void): void {
  const t = useMessages(messages);
  const titles = useMessages(pageTitles);
  const navigate = useNavigate();
  const can = useCan();
  const group = t.groups.everywhere;
  useShortcuts([
    { keys: "mod+k", label: t.openPalette, group, run: () => open("palette") },
    ...(can("assistant.read") ? [{ keys: "mod+j", label: t.assistant, group, run: toggleAssistant }] : []),
    { keys: "?", label: t.showShortcuts, group, run: () => open("shortcuts") },
    {
      keys: "/",
      label: t.focusFilter,
      group,
      run: () => document.querySelector<HTMLElement>("#content input[type=search]")?.focus(),
    },
    ...usePages().flatMap(({ pages }) =>
      pages.map(({ name, path, key }) => ({
        keys: `g ${key}`,
        label: t.goTo(titles[name]),
        group: t.groups.pages,
        run: () => void navigate({ to: path }),
      })),
    ),
  ]);
}
