import { type ReactNode, Suspense, useRef, useState } from "react";
import { lazily } from "@/lib/fetched";
import { Button, type ButtonProps } from "./button";
import type { MenuItem } from "./menu";

const load = () => import("./menu");
/** Ahead of its use, which fetches it again where that failed. */
const preload = () => {
  load().catch(() => undefined);
};
const Menu = lazily(load);

interface MenuButtonProps extends Omit<ButtonProps, "onClick"> {
  menuLabel: string;
  groups: readonly (readonly MenuItem[])[];
  header?: ReactNode;
}

/** A button with a menu. The menu's code is fetched when the button is about to be used. */
export function MenuButton({ menuLabel, groups, header, ...button }: MenuButtonProps) {
  const [opened, setOpened] = useState<"no" | "pointer" | "keyboard">("no");
  const isOpen = opened !== "no";
  const slot = useRef<HTMLSpanElement>(null);
  const trigger = <Button {...button} aria-haspopup="menu" />;
  const closed = (
    <Button
      {...button}
      aria-haspopup="menu"
      aria-expanded={isOpen}
      onPointerEnter={preload}
      onFocus={preload}
      onClick={(event) => setOpened(event.detail === 0 ? "keyboard" : "pointer")}
    />
  );
  return (
    <span ref={slot} className="inline-flex">
      {isOpen ? (
        <Suspense fallback={closed}>
          <Menu
            label={menuLabel}
            groups={groups}
            header={header}
            trigger={trigger}
            isByKeyboard={opened === "keyboard"}
            onClose={() => {
              setOpened("no");
              // The button is made anew without its menu: the focus follows it.
              requestAnimationFrame(() => {
                if (document.activeElement === document.body) slot.current?.querySelector("button")?.focus();
              });
            }}
          />
        </Suspense>
      ) : (
        closed
      )}
    </span>
  );
}
