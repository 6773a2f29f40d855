import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

/** Names and what they are, in two columns. */
export function Facts({ children }: { children: ReactNode }) {
  return (
    <dl className="tabular grid grid-cols-[minmax(7rem,auto)_minmax(0,1fr)] gap-x-4 gap-y-1.5 text-sm">
      {children}
    </dl>
  );
}

interface FactProps {
  term: string;
  isCode?: boolean;
  children: ReactNode;
}

export function Fact({ term, isCode = false, children }: FactProps) {
  return (
    <>
      <dt className="text-muted">{term}</dt>
      <dd className={cn("min-w-0 break-words", isCode && "font-mono text-xs leading-[1.2rem] break-all")}>
        {children}
      </dd>
    </>
  );
}
