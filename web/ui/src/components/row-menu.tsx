import { EllipsisVertical } from "lucide-react";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import type { MenuItem } from "./ui/menu";
import { MenuButton } from "./ui/menu-button";

interface RowMenuProps {
  /** Of what the row is about. */
  name: string;
  groups: readonly (readonly MenuItem[])[];
}

/** What may be done with what a row is about; nothing without rights. */
export function RowMenu({ name, groups }: RowMenuProps) {
  const t = useMessages(messages);
  if (groups.every((group) => group.length === 0)) return null;
  return (
    <MenuButton
      tone="ghost"
      isIcon
      aria-label={t.actionsFor(name)}
      title={t.actions}
      menuLabel={t.actionsFor(name)}
      groups={groups}
    >
      <EllipsisVertical aria-hidden className="size-4" />
    </MenuButton>
  );
}
