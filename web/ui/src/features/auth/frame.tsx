import type { ReactNode } from "react";
import { Logo } from "@/components/logo";

/** The page around a form for somebody who is not logged in. */
export function Frame({ title, lead, children }: { title: string; lead: ReactNode; children: ReactNode }) {
  return (
    <main className="flex min-h-dvh items-center justify-center p-4">
      <div className="w-full max-w-sm">
        <div className="mb-6 flex items-center justify-center gap-2.5">
          <Logo className="size-7" />
          <span className="text-lg font-semibold">Control Tower</span>
        </div>
        <div className="rounded-xl border border-line bg-surface p-6 shadow-card">
          <h1 className="text-lg font-semibold">{title}</h1>
          <div className="mt-1 mb-5 text-sm text-muted">{lead}</div>
          {children}
        </div>
      </div>
    </main>
  );
}
