import { type ReactNode, useId } from "react";
import { cn } from "@/lib/cn";

interface SectionProps {
  /** For links to it. */
  id?: string;
  title: string;
  /** Beside the title: a count, a summary. */
  note?: ReactNode;
  actions?: ReactNode;
  className?: string;
  children: ReactNode;
}

/** A titled region of a page. */
export function Section({ id: anchor, title, note, actions, className, children }: SectionProps) {
  const id = useId();
  return (
    <section id={anchor} aria-labelledby={id} className={cn("flex min-w-0 scroll-mt-16 flex-col", className)}>
      <header className="mb-2 flex min-h-8 flex-wrap items-center gap-x-3 gap-y-2">
        <h2 id={id} className="text-base font-semibold">
          {title}
        </h2>
        {note !== undefined && <span className="tabular text-sm text-muted">{note}</span>}
        {actions !== undefined && <div className="ml-auto flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      {children}
    </section>
  );
}

export function Card({ className, children }: { className?: string; children: ReactNode }) {
  return (
    <div className={cn("rounded-lg border border-line bg-surface shadow-card", className)}>{children}</div>
  );
}

/** A card whose content may be wider than the screen: arrow keys move it, too. */
export function ScrollingCard({ label, className, children }: ScrollingCardProps) {
  return (
    // A group: as a region it would be a landmark beside its section, of the same name.
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms
    <div
      role="group"
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: otherwise keys could not reach what is beyond the edge
      tabIndex={0}
      className={cn("overflow-x-auto rounded-lg border border-line bg-surface shadow-card", className)}
    >
      {children}
    </div>
  );
}

interface ScrollingCardProps {
  /** What is in it, for screen readers. */
  label: string;
  className?: string;
  children: ReactNode;
}
