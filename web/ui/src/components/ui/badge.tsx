import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

export type Tone = "ok" | "warn" | "bad" | "accent" | "neutral";

const BADGE: Record<Tone, string> = {
  ok: "bg-ok-soft text-ok",
  warn: "bg-warn-soft text-warn",
  bad: "bg-bad-soft text-bad",
  accent: "bg-accent-soft text-accent",
  neutral: "bg-hover text-muted",
};

const MARK: Record<Tone, string> = {
  ok: "bg-ok-mark",
  warn: "bg-warn-mark",
  bad: "bg-bad-mark",
  accent: "bg-accent",
  neutral: "bg-line-strong",
};

/** A word that says what something is. The colour repeats it. */
export function Badge({
  tone = "neutral",
  title,
  children,
}: {
  tone?: Tone;
  title?: string;
  children: ReactNode;
}) {
  return (
    <span
      title={title}
      className={cn(
        "inline-flex h-5 shrink-0 items-center rounded px-1.5 text-xs font-medium whitespace-nowrap",
        BADGE[tone],
      )}
    >
      {children}
    </span>
  );
}

/** A state in words with a mark beside it; lighter than a badge, for tables. */
export function Status({ tone, title, children }: { tone: Tone; title?: string; children: ReactNode }) {
  return (
    <span title={title} className="inline-flex min-w-0 items-center gap-1.5 whitespace-nowrap">
      <StatusMark tone={tone} />
      <span className="truncate">{children}</span>
    </span>
  );
}

/** The mark alone; its shape differs too: a ring is nothing running, a square needs attention. */
export function StatusMark({ tone }: { tone: Tone }) {
  return (
    <span
      aria-hidden
      className={cn(
        "size-2 shrink-0",
        tone === "bad" ? "rounded-[1px]" : tone === "warn" ? "rotate-45 rounded-[1px]" : "rounded-full",
        tone === "neutral" ? "border-[1.5px] border-line-strong" : MARK[tone],
      )}
    />
  );
}
