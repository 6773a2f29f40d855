import { createLink } from "@tanstack/react-router";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

const TONES = {
  primary: "bg-accent text-on-accent hover:bg-accent-strong",
  plain: "border border-line-strong bg-surface text-text hover:bg-hover",
} as const;

interface LookProps extends ComponentProps<"a"> {
  tone?: keyof typeof TONES;
}

function Look({ tone = "plain", className, ...rest }: LookProps) {
  return (
    <a
      {...rest}
      className={cn(
        "inline-flex h-8 shrink-0 items-center justify-center gap-1.5 rounded-md px-3 text-sm font-medium whitespace-nowrap transition-colors select-none pointer-coarse:h-10",
        TONES[tone],
        className,
      )}
    />
  );
}

/** Looks like a button and leads to another page, as a link does. */
export const LinkButton = createLink(Look);
