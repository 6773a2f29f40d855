import * as Popover from "@radix-ui/react-popover";
import { ChevronDown } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "@/components/ui/button";

interface CheckListProps {
  label: string;
  /** What is shown on the button. */
  summary: string;
  options: readonly { value: string; label: string }[];
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
  empty?: string;
  footer?: ReactNode;
}

/** A button that opens a list of which any can be checked; none is all. */
export function CheckList({ label, summary, options, chosen, onChange, empty, footer }: CheckListProps) {
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <Button>
          <span className="sr-only">{label}: </span>
          {summary}
          <ChevronDown aria-hidden className="size-3.5 text-muted" />
        </Button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          align="start"
          sideOffset={6}
          collisionPadding={8}
          aria-label={label}
          className="animate-appear z-40 max-h-[min(24rem,var(--radix-popover-content-available-height))] min-w-44 overflow-y-auto rounded-lg border border-line bg-raised p-1.5 shadow-float outline-none"
        >
          {options.length === 0 && <p className="max-w-60 p-2 text-sm text-muted">{empty}</p>}
          {options.map((option) => (
            <label
              key={option.value}
              className="flex min-h-7 items-center gap-2 rounded px-2 text-sm select-none hover:bg-hover pointer-coarse:min-h-10"
            >
              <input
                type="checkbox"
                className="size-3.5 accent-accent"
                checked={chosen.includes(option.value)}
                onChange={(event) =>
                  onChange(
                    event.currentTarget.checked
                      ? [...chosen, option.value]
                      : chosen.filter((each) => each !== option.value),
                  )
                }
              />
              {option.label}
            </label>
          ))}
          {footer}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
