import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { CircleUser, LogOut, Monitor, Moon, Sun } from "lucide-react";
import type { ReactNode } from "react";
import { logOut, meQuery } from "@/api/session";
import type { MenuItem } from "@/components/ui/menu";
import { MenuButton } from "@/components/ui/menu-button";
import { showError } from "@/components/ui/toast-store";
import { setTheme, type Theme, useTheme } from "@/lib/theme";

const THEMES: readonly { theme: Theme; label: string; icon: ReactNode }[] = [
  { theme: "system", label: "As the system", icon: <Monitor aria-hidden className="size-3.5" /> },
  { theme: "light", label: "Light", icon: <Sun aria-hidden className="size-3.5" /> },
  { theme: "dark", label: "Dark", icon: <Moon aria-hidden className="size-3.5" /> },
];

/** Who is logged in; the theme; the way out. */
export function AccountMenu() {
  const { data: me } = useQuery(meQuery);
  const client = useQueryClient();
  const navigate = useNavigate();
  const chosen = useTheme();
  const leave = () =>
    logOut(client)
      .catch(showError)
      .finally(() => void navigate({ to: "/login" }));
  const themes: MenuItem[] = THEMES.map(({ theme, label, icon }) => ({
    key: theme,
    label,
    icon,
    isChecked: chosen === theme,
    onSelect: () => setTheme(theme),
  }));
  return (
    <MenuButton
      tone="ghost"
      aria-label={me === undefined ? "Account" : `Account of ${me.name}`}
      menuLabel="Account"
      className="-mr-2 px-2"
      header={
        me !== undefined && (
          <p className="px-2 py-1.5">
            <span className="font-medium">{me.name}</span> <span className="text-muted">{me.role}</span>
          </p>
        )
      }
      groups={[
        themes,
        [
          {
            key: "leave",
            label: "Log out",
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
