import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

/** Names and values beside each other; below each other where it is narrow. */
export function Facts({ children, className }: { children: ReactNode; className?: string }) {
  return (
    <dl
      className={cn("grid grid-cols-[minmax(7rem,auto)_minmax(0,1fr)] gap-x-4 gap-y-1.5 text-sm", className)}
    >
      {children}
    </dl>
  );
}

interface FactProps {
  name: string;
  isCode?: boolean;
  children: ReactNode;
}

export function Fact({ name, isCode = false, children }: FactProps) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className={cn("min-w-0 break-words", isCode && "font-mono text-xs leading-[1.2rem] break-all")}>
        {children}
      </dd>
    </>
  );
}
