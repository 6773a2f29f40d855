import * as Radix from "@radix-ui/react-tabs";
import type { ReactNode } from "react";
import { useShownTab } from "./shown-tab";

export interface Tab<Name extends string> {
  name: Name;
  title: string;
  content: ReactNode;
}

/** Parts of a page of which one is shown; which one is kept by the page, in its address. */
export function Tabs<Name extends string>({
  label,
  tabs,
  shown,
  onShow,
}: {
  label: string;
  tabs: readonly Tab<Name>[];
  shown: Name;
  onShow: (name: Name) => void;
}) {
  const strip = useShownTab(shown, tabs.length);
  return (
    <Radix.Root value={shown} onValueChange={(name) => onShow(name as Name)} activationMode="manual">
      <Radix.List
        ref={strip}
        aria-label={label}
        className="mb-4 flex gap-1 overflow-x-auto border-b border-line [scrollbar-width:thin]"
      >
        {tabs.map(({ name, title }) => (
          <Radix.Trigger
            key={name}
            value={name}
            className="h-9 shrink-0 border-b-2 border-transparent px-3 text-sm font-medium whitespace-nowrap text-muted hover:text-text data-[state=active]:border-accent data-[state=active]:text-accent pointer-coarse:h-11"
          >
            {title}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map(({ name, content }) => (
        <Radix.Content key={name} value={name} className="outline-none">
          {name === shown && content}
        </Radix.Content>
      ))}
    </Radix.Root>
  );
}
