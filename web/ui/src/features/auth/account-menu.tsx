import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { CircleUser, LogOut, Monitor, Moon, Sun, UserCog } from "lucide-react";
import type { ReactNode } from "react";
import { logOut, meQuery } from "@/api/session";
import type { MenuItem } from "@/components/ui/menu";
import { MenuButton } from "@/components/ui/menu-button";
import { showError } from "@/components/ui/toast-store";
import { useMessages } from "@/lib/i18n";
import { setTheme, type Theme, useTheme } from "@/lib/theme";
import { messages } from "./menu-messages";

const THEMES: readonly { theme: Theme; icon: ReactNode }[] = [
  { theme: "system", icon: <Monitor aria-hidden className="size-3.5" /> },
  { theme: "light", icon: <Sun aria-hidden className="size-3.5" /> },
  { theme: "dark", icon: <Moon aria-hidden className="size-3.5" /> },
];

/** Who is logged in, with the way to their account; the theme; the way out. */
export function AccountMenu() {
  const t = useMessages(messages);
  const { data: me } = useQuery(meQuery);
  const client = useQueryClient();
  const navigate = useNavigate();
  const chosen = useTheme();
  const leave = () => logOut(client, () => navigate({ to: "/login" })).catch(showError);
  const themes: MenuItem[] = THEMES.map(({ theme, icon }) => ({
    key: theme,
    label: t.themes[theme],
    icon,
    isChecked: chosen === theme,
    onSelect: () => setTheme(theme),
  }));
  return (
    <MenuButton
      tone="ghost"
      aria-label={me === undefined ? t.account : t.accountOf(me.name)}
      menuLabel={t.account}
      className="-mr-2 px-2"
      header={
        me !== undefined && (
          <p className="px-2 py-1.5">
            <span className="font-medium">{me.name}</span>{" "}
            <span className="text-muted">{t.roles[me.role]}</span>
          </p>
        )
      }
      groups={[
        [
          {
            key: "account",
            label: t.account,
            icon: <UserCog aria-hidden className="size-3.5" />,
            onSelect: () => void navigate({ to: "/account" }),
          },
        ],
        themes,
        [
          {
            key: "leave",
            label: t.logOut,
            icon: <LogOut aria-hidden className="size-3.5" />,
            onSelect: () => void leave(),
          },
        ],
      ]}
    >
      <CircleUser aria-hidden className="size-4" />
      <span className="max-w-32 truncate max-sm:hidden">{me?.name}</span>
    </MenuButton>
  );
}
