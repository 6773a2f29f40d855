import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

type Tone = "primary" | "plain" | "ghost" | "danger";

const TONES: Record<Tone, string> = {
  primary: "bg-accent text-on-accent hover:bg-accent-strong",
  plain: "border border-line-strong bg-surface text-text hover:bg-hover",
  ghost: "text-muted hover:bg-hover hover:text-text",
  danger: "bg-danger text-on-danger hover:bg-danger-strong",
};

export interface ButtonProps extends ComponentProps<"button"> {
  tone?: Tone;
  /** Square, for an icon alone; needs an `aria-label`. */
  isIcon?: boolean;
}

export function Button({ tone = "plain", isIcon = false, className, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      className={cn(
        "inline-flex h-8 shrink-0 items-center justify-center gap-1.5 rounded-md text-sm font-medium whitespace-nowrap transition-colors select-none disabled:opacity-50 pointer-coarse:h-10",
        isIcon ? "w-8 pointer-coarse:w-10" : "px-3",
        TONES[tone],
        className,
      )}
    />
  );
}
