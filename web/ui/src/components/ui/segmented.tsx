import { useId } from "react";
import { cn } from "@/lib/cn";

interface SegmentedProps<Value extends string> {
  /** What is chosen, for readers. */
  label: string;
  options: readonly { value: Value; label: string }[];
  /** Null: none of them. */
  value: Value | null;
  onChange: (value: Value) => void;
  className?: string;
}

/** One of a few, all of them in sight. */
export function Segmented<Value extends string>({
  label,
  options,
  value,
  onChange,
  className,
}: SegmentedProps<Value>) {
  const name = useId();
  return (
    <fieldset
      className={cn(
        "inline-flex min-w-0 max-w-full overflow-x-auto rounded-md border border-line-strong bg-surface",
        className,
      )}
    >
      <legend className="sr-only">{label}</legend>
      {options.map((option) => (
        <label
          key={option.value}
          className={cn(
            "flex h-[30px] shrink-0 cursor-pointer items-center border-r border-line px-2.5 text-sm whitespace-nowrap select-none last:border-r-0 has-focus-visible:outline-2 has-focus-visible:-outline-offset-2 has-focus-visible:outline-accent pointer-coarse:h-[38px]",
            option.value === value
              ? "bg-accent-soft font-medium text-accent"
              : "text-muted hover:bg-hover hover:text-text",
          )}
        >
          <input
            type="radio"
            name={name}
            value={option.value}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
            className="sr-only"
          />
          {option.label}
        </label>
      ))}
    </fieldset>
  );
}

interface ToggleProps {
  label: string;
  isOn: boolean;
  title?: string;
  onChange: (isOn: boolean) => void;
}

/** On or off, of several that do not exclude each other. */
export function Toggle({ label, isOn, title, onChange }: ToggleProps) {
  return (
    <button
      type="button"
      aria-pressed={isOn}
      title={title}
      onClick={() => onChange(!isOn)}
      className={cn(
        "inline-flex h-8 shrink-0 items-center gap-1.5 rounded-md border px-2.5 text-sm whitespace-nowrap select-none pointer-coarse:h-10",
        isOn
          ? "border-accent/50 bg-accent-soft font-medium text-accent"
          : "border-line-strong bg-surface text-muted hover:bg-hover hover:text-text",
      )}
    >
      <svg viewBox="0 0 12 12" aria-hidden className="size-3">
        <rect
          x="1"
          y="1"
          width="10"
          height="10"
          rx="2.5"
          fill="none"
          stroke="currentColor"
          strokeWidth="1.3"
        />
        {isOn && <path d="M3 6.2L5.2 8.4L9 3.9" fill="none" stroke="currentColor" strokeWidth="1.6" />}
      </svg>
      {label}
    </button>
  );
}
