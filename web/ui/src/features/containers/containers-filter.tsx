import { Search } from "lucide-react";
import { useEffect, useRef } from "react";
import type { ContainerView } from "@/api/openapi";
import { Input, Select } from "@/components/ui/field";
import { type ContainersView, choicesOf } from "./container-rows";
import { STATE_FILTERS, type StateFilter } from "./container-state";

const STATE_WORDS: Record<StateFilter, string> = {
  running: "Running",
  unhealthy: "Unhealthy",
  stopped: "Not running",
};

interface ContainersFilterProps {
  containers: readonly ContainerView[];
  view: ContainersView;
  onView: (change: Partial<ContainersView>) => void;
}

/** Search and filters. Ctrl or Cmd with K goes to the search from anywhere. */
export function ContainersFilter({ containers, view, onView }: ContainersFilterProps) {
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey) return;
      event.preventDefault();
      search.current?.focus();
      search.current?.select();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
  return (
    <search className="flex w-full flex-wrap items-center gap-2 sm:w-auto">
      <div className="relative w-full sm:w-60">
        <Search
          aria-hidden
          className="pointer-events-none absolute top-1/2 left-2.5 size-3.5 -translate-y-1/2 text-muted"
        />
        <Input
          ref={search}
          type="search"
          aria-label="Search containers"
          aria-keyshortcuts="Control+K Meta+K"
          placeholder="Search"
          className="w-full pl-8 sm:pr-14"
          value={view.text}
          onInput={(event) => onView({ text: event.currentTarget.value })}
          onKeyDown={(event) => event.key === "Escape" && onView({ text: "" })}
        />
        {view.text === "" && (
          <kbd
            aria-hidden
            className="pointer-events-none absolute top-1/2 right-2 -translate-y-1/2 rounded border border-line px-1 font-sans text-2xs text-muted max-sm:hidden"
          >
            Ctrl K
          </kbd>
        )}
      </div>
      <Choice
        label="Host"
        all="All hosts"
        value={view.host}
        choices={choicesOf(containers, (each) => each.node_name)}
        onChange={(host) => onView({ host })}
      />
      <Choice
        label="Project"
        all="All projects"
        value={view.project}
        choices={choicesOf(containers, (each) => each.project)}
        onChange={(project) => onView({ project })}
      />
      <Select
        aria-label="State"
        value={view.state}
        onChange={(event) => onView({ state: event.currentTarget.value as StateFilter | "" })}
        className="max-sm:flex-1"
      >
        <option value="">Any state</option>
        {STATE_FILTERS.map((state) => (
          <option key={state} value={state}>
            {STATE_WORDS[state]}
          </option>
        ))}
      </Select>
    </search>
  );
}

interface ChoiceProps {
  label: string;
  all: string;
  value: string;
  choices: readonly string[];
  onChange: (value: string) => void;
}

function Choice({ label, all, value, choices, onChange }: ChoiceProps) {
  // A value from the page's address stays to be seen when nothing has it any more.
  const shown = value === "" || choices.includes(value) ? choices : [...choices, value];
  return (
    <Select
      aria-label={label}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      className="max-w-40 max-sm:min-w-0 max-sm:flex-1"
    >
      <option value="">{all}</option>
      {shown.map((choice) => (
        <option key={choice} value={choice}>
          {choice}
        </option>
      ))}
    </Select>
  );
}
