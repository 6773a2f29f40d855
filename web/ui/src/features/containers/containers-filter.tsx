import { ListFilter, Search } from "lucide-react";
import { useId, useMemo, useState } from "react";
import type { ContainerView } from "@/api/openapi";
import { Pick } from "@/components/pick";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { cn } from "@/lib/cn";
import { useMessages } from "@/lib/i18n";
import {
  type ContainersView,
  choicesOf,
  filtersOf,
  GROUPINGS,
  type Grouping,
  labelsOf,
  serviceOf,
} from "./container-rows";
import { STATE_FILTERS, type StateFilter } from "./container-state";
import { messages } from "./messages";

interface ContainersFilterProps {
  containers: readonly ContainerView[];
  view: ContainersView;
  onView: (change: Partial<ContainersView>) => void;
}

/** Search and filters. A narrow screen shows the filters when they are asked for. */
export function ContainersFilter({ containers, view, onView }: ContainersFilterProps) {
  const t = useMessages(messages);
  const labels = useId();
  const [isOpen, setOpen] = useState(false);
  const choices = useMemo(
    () => ({
      hosts: choicesOf(containers, (each) => each.node_name),
      projects: choicesOf(containers, (each) => each.project),
      services: choicesOf(containers, serviceOf),
      labels: labelsOf(containers),
    }),
    [containers],
  );
  const count = filtersOf(view);
  return (
    <search className="flex flex-1 flex-wrap items-center gap-2">
      <div className="relative min-w-0 flex-1 sm:max-w-64 sm:basis-52">
        <Search
          aria-hidden
          className="pointer-events-none absolute top-1/2 left-2.5 size-3.5 -translate-y-1/2 text-muted"
        />
        <Input
          type="search"
          aria-label={t.search}
          placeholder={t.searchShort}
          className="w-full pl-8"
          value={view.text}
          onInput={(event) => onView({ text: event.currentTarget.value })}
          onKeyDown={(event) => event.key === "Escape" && onView({ text: "" })}
        />
      </div>
      <Button className="sm:hidden" aria-expanded={isOpen} onClick={() => setOpen((before) => !before)}>
        <ListFilter aria-hidden className="size-3.5" />
        {t.filters}
        {count > 0 && <span className="tabular">{count}</span>}
      </Button>
      <div className={cn("contents", !isOpen && "max-sm:hidden")}>
        <Pick
          className="max-w-36 max-sm:min-w-[45%]"
          label={t.host}
          all={t.allHosts}
          value={view.host}
          choices={choices.hosts}
          onPick={(host) => onView({ host })}
        />
        <Pick
          className="max-w-36 max-sm:min-w-[45%]"
          label={t.project}
          all={t.allProjects}
          value={view.project}
          choices={choices.projects}
          onPick={(project) => onView({ project })}
        />
        <Pick
          className="max-w-36 max-sm:min-w-[45%]"
          label={t.service}
          all={t.allServices}
          value={view.service}
          choices={choices.services}
          onPick={(service) => onView({ service })}
        />
        <Pick
          className="max-w-36 max-sm:min-w-[45%]"
          label={t.state}
          all={t.anyState}
          value={view.state}
          choices={STATE_FILTERS}
          words={t.states}
          onPick={(state) => onView({ state: state as StateFilter | "" })}
        />
        <Input
          aria-label={t.label}
          title={t.label}
          placeholder={t.labelShort}
          list={labels}
          className="w-32 max-sm:min-w-[45%] max-sm:flex-1"
          value={view.label}
          onInput={(event) => onView({ label: event.currentTarget.value.trim() })}
        />
        <datalist id={labels}>
          {choices.labels.map((label) => (
            <option key={label} value={label} />
          ))}
        </datalist>
        <Pick
          className="max-w-36 max-sm:min-w-[45%]"
          label={t.group}
          all={t.noGroups}
          value={view.group}
          choices={GROUPINGS}
          words={t.groups}
          onPick={(group) => onView({ group: group as Grouping | "" })}
        />
      </div>
    </search>
  );
}
