import * as Dropdown from "@radix-ui/react-dropdown-menu";
import { type ReactNode, useEffect, useRef } from "react";
import { cn } from "@/lib/cn";

export interface MenuItem {
  key: string;
  label: string;
  icon?: ReactNode;
  isDangerous?: boolean;
  isChecked?: boolean;
  onSelect: () => void;
}

export interface MenuProps {
  label: string;
  groups: readonly (readonly MenuItem[])[];
  header?: ReactNode;
  trigger: ReactNode;
  /** Opened with the keyboard: the first item takes the focus. */
  isByKeyboard: boolean;
  onClose: () => void;
}

/**
 * A menu that opens as soon as it is there: it is loaded when its button is pressed for the first time
 * (`menu-button.tsx`). Not modal, so that it needs no style element.
 */
export default function Menu({ label, groups, header, trigger, isByKeyboard, onClose }: MenuProps) {
  const content = useRef<HTMLDivElement>(null);
  // Radix would do it, had it been there when the key went down.
  useEffect(() => {
    if (!isByKeyboard) return;
    const frame = requestAnimationFrame(() =>
      content.current?.querySelector<HTMLElement>("[role^=menuitem]")?.focus(),
    );
    return () => cancelAnimationFrame(frame);
  }, [isByKeyboard]);
  return (
    <Dropdown.Root defaultOpen modal={false} onOpenChange={(open) => !open && onClose()}>
      <Dropdown.Trigger asChild>{trigger}</Dropdown.Trigger>
      <Dropdown.Portal>
        <Dropdown.Content
          ref={content}
          aria-label={label}
          align="end"
          sideOffset={4}
          collisionPadding={8}
          className="animate-appear z-50 min-w-44 rounded-lg border border-line bg-raised p-1 text-sm shadow-float outline-none"
        >
          {header}
          {groups
            .filter((group) => group.length > 0)
            .map((group, index) => (
              <Dropdown.Group key={group[0]?.key}>
                {(index > 0 || header !== undefined) && <Dropdown.Separator className="my-1 h-px bg-line" />}
                {group.map((item) => (
                  <Item key={item.key} item={item} />
                ))}
              </Dropdown.Group>
            ))}
        </Dropdown.Content>
      </Dropdown.Portal>
    </Dropdown.Root>
  );
}

function Item({ item }: { item: MenuItem }) {
  const className = cn(
    "flex h-8 items-center gap-2 rounded px-2 outline-none select-none data-highlighted:bg-hover pointer-coarse:h-10",
    item.isDangerous && "text-bad",
  );
  if (item.isChecked !== undefined) {
    return (
      <Dropdown.CheckboxItem checked={item.isChecked} onSelect={item.onSelect} className={className}>
        {item.icon}
        <span className="flex-1">{item.label}</span>
        <Dropdown.ItemIndicator className="text-accent">✓</Dropdown.ItemIndicator>
      </Dropdown.CheckboxItem>
    );
  }
  return (
    <Dropdown.Item onSelect={item.onSelect} className={className}>
      {item.icon}
      {item.label}
    </Dropdown.Item>
  );
}
