import { Input } from "@/components/ui/field";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/lib/i18n";
import type { AlertsSearch } from "./alerts-search";
import { messages } from "./messages";

interface FilterBarProps {
  search: AlertsSearch;
  onSearch: (next: Partial<AlertsSearch>, options?: { replace?: boolean }) => void;
}

/** Which of the alerts. */
export function FilterBar({ search, onSearch }: FilterBarProps) {
  const t = useMessages(messages);
  return (
    <div className="flex flex-wrap items-center gap-2">
      <Input
        type="search"
        aria-label={t.search}
        placeholder={t.search}
        value={search.q ?? ""}
        onInput={(event) => onSearch({ q: event.currentTarget.value || undefined }, { replace: true })}
        className="w-64 max-w-full"
      />
      <Segmented
        label={t.atLeast}
        value={search.grade ?? "info"}
        onChange={(grade) => onSearch({ grade: grade === "info" ? undefined : grade })}
        options={[
          { value: "info", label: t.all },
          { value: "warning", label: `≥ ${t.severities.warning}` },
          { value: "critical", label: t.severities.critical },
        ]}
      />
    </div>
  );
}
