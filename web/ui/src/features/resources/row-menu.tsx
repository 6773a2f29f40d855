import { EllipsisVertical } from "lucide-react";
import type { MenuItem } from "@/components/ui/menu";
import { MenuButton } from "@/components/ui/menu-button";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

/** What may be done with one row; nothing without rights. */
export function RowMenu({ name, items }: { name: string; items: readonly MenuItem[] }) {
  const t = useMessages(messages);
  if (items.length === 0) return null;
  return (
    <MenuButton
      tone="ghost"
      isIcon
      aria-label={t.actionsFor(name)}
      title={t.actions}
      menuLabel={t.actionsFor(name)}
      groups={[items]}
    >
      <EllipsisVertical aria-hidden className="size-4" />
    </MenuButton>
  );
}
