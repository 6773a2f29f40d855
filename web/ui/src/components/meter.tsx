import { cn } from "@/lib/cn";
import type { Tone } from "./ui/badge";

const FILL: Record<Tone, string> = {
  ok: "fill-ok-mark",
  warn: "fill-warn-mark",
  bad: "fill-bad-mark",
  accent: "fill-accent",
  neutral: "fill-line-strong",
};

interface MeterProps {
  /** 0 to 1. */
  share: number;
  tone: Tone;
  label: string;
  className?: string;
}

/** A bar that is filled to a share. Drawn, so that no inline style is needed. */
export function Meter({ share, tone, label, className }: MeterProps) {
  const percent = Math.round(Math.min(1, Math.max(0, share)) * 100);
  return (
    <svg
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      viewBox="0 0 100 4"
      preserveAspectRatio="none"
      className={cn("block h-1 w-full overflow-hidden rounded-full", className)}
    >
      <rect width="100" height="4" className="fill-line" />
      <rect width={percent} height="4" className={FILL[tone]} />
    </svg>
  );
}
