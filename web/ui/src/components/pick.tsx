import { cn } from "@/lib/cn";
import { Select } from "./ui/field";

interface PickProps {
  label: string;
  /** When nothing is picked. */
  all: string;
  value: string;
  choices: readonly string[];
  words?: Readonly<Record<string, string>>;
  className?: string;
  onPick: (value: string) => void;
}

/** One of what there is, or all of it: a filter of a list. */
export function Pick({ label, all, value, choices, words, className, onPick }: PickProps) {
  // A value from the page's address stays to be seen when nothing has it any more.
  const shown = value === "" || choices.includes(value) ? choices : [...choices, value];
  return (
    <Select
      aria-label={label}
      value={value}
      onChange={(event) => onPick(event.currentTarget.value)}
      className={cn("max-sm:max-w-none max-sm:flex-1", value !== "" && "border-accent", className)}
    >
      <option value="">{all}</option>
      {shown.map((choice) => (
        <option key={choice} value={choice}>
          {words?.[choice] ?? choice}
        </option>
      ))}
    </Select>
  );
}
