import * as Popover from "@radix-ui/react-popover";
import { Boxes } from "lucide-react";
import { useMemo, useState } from "react";
import type { LogSourcesView, LogSourceView } from "@/api/openapi";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { cn } from "@/lib/cn";
import { formatCount } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import type { Choice } from "./log-source";
import { messages } from "./messages";

interface SourcePickerProps {
  sources: LogSourcesView | undefined;
  choice: Choice;
  onChoose: (choice: Choice) => void;
  className?: string;
}

/** Which containers are shown, of those that there are and that there were. */
export function SourcePicker({ sources, choice, onChoose, className }: SourcePickerProps) {
  const t = useMessages(messages);
  const [text, setText] = useState("");
  const chosenCount = choice.containers.length + choice.services.length + choice.projects.length;
  const label =
    chosenCount === 0 ? t.allSources : chosenCount === 1 ? nameOf(choice, sources) : t.chosen(chosenCount);
  const groups = useMemo(() => groupsOf(sources?.sources ?? [], text), [sources, text]);
  return (
    <Popover.Root onOpenChange={(open) => !open && setText("")}>
      <Popover.Trigger asChild>
        <Button className={cn("max-w-64 min-w-0 max-sm:max-w-44", className)}>
          <Boxes aria-hidden className="size-3.5 shrink-0" />
          <span className="sr-only">{t.sources}: </span>
          <span className="truncate">{label}</span>
        </Button>
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          align="start"
          sideOffset={6}
          collisionPadding={8}
          aria-label={t.sources}
          className="animate-appear z-40 flex max-h-[min(28rem,var(--radix-popover-content-available-height))] w-[min(24rem,calc(100vw-1rem))] flex-col rounded-lg border border-line bg-raised shadow-float outline-none"
        >
          <div className="flex gap-2 border-b border-line p-2">
            <Input
              type="text"
              aria-label={t.sourcesFind}
              placeholder={t.sourcesFind}
              className="min-w-0 flex-1"
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          </div>
          <div className="min-h-0 flex-1 overflow-y-auto p-1.5">
            {groups.length === 0 && <p className="p-3 text-sm text-muted">{t.sourcesNone}</p>}
            {groups.map(({ project, services }) => (
              <fieldset key={project} className="mb-1.5">
                <legend className="sr-only">{project || t.noProject}</legend>
                <Choose
                  isStrong
                  isChosen={choice.projects.includes(project)}
                  isDisabled={project === ""}
                  onChange={() => onChoose({ ...choice, projects: toggled(choice.projects, project) })}
                >
                  {project || t.noProject}
                </Choose>
                {services.map(({ service, containers }) => (
                  <div key={service} className="pl-4">
                    {service !== "" && containers.length > 1 && (
                      <Choose
                        isChosen={choice.services.includes(serviceKey(project, service))}
                        onChange={() =>
                          onChoose({
                            ...choice,
                            services: toggled(choice.services, serviceKey(project, service)),
                          })
                        }
                      >
                        {service}
                      </Choose>
                    )}
                    {containers.map((each) => (
                      <Choose
                        key={each.container_id}
                        isDeep={service !== "" && containers.length > 1}
                        isChosen={isChosen(choice.containers, each)}
                        onChange={() =>
                          onChoose({ ...choice, containers: toggledContainer(choice.containers, each) })
                        }
                      >
                        <span className="truncate">{each.name}</span>
                        <span className="ml-auto shrink-0 text-xs text-muted">
                          {each.is_present ? "" : `${t.gone} · `}
                          {each.node_name}
                          <span className="sr-only"> · {t.kept(formatCount(each.lines))}</span>
                        </span>
                      </Choose>
                    ))}
                  </div>
                ))}
              </fieldset>
            ))}
          </div>
          {chosenCount > 0 && (
            <div className="border-t border-line p-2">
              <Button
                className="w-full"
                onClick={() => onChoose({ ...choice, containers: [], services: [], projects: [] })}
              >
                {t.sourcesClear}
              </Button>
            </div>
          )}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

interface ChooseProps {
  isChosen: boolean;
  isStrong?: boolean;
  isDeep?: boolean;
  isDisabled?: boolean;
  onChange: () => void;
  children: React.ReactNode;
}

function Choose({
  isChosen,
  isStrong = false,
  isDeep = false,
  isDisabled = false,
  onChange,
  children,
}: ChooseProps) {
  return (
    <label
      className={cn(
        "flex min-h-7 items-center gap-2 rounded px-2 text-sm select-none pointer-coarse:min-h-10",
        isStrong && "font-medium",
        isDeep && "ml-4",
        isDisabled ? "text-muted" : "hover:bg-hover",
      )}
    >
      <input
        type="checkbox"
        className={cn("size-3.5 shrink-0 accent-accent", isDisabled && "invisible")}
        checked={isChosen}
        disabled={isDisabled}
        onChange={onChange}
      />
      {children}
    </label>
  );
}

interface Group {
  project: string;
  services: { service: string; containers: LogSourceView[] }[];
}

/** Those that fit `text`, by project and service; what is there before what was. */
export function groupsOf(sources: readonly LogSourceView[], text: string): Group[] {
  const wanted = text.trim().toLowerCase();
  const groups = new Map<string, Map<string, LogSourceView[]>>();
  for (const source of sources) {
    const words = [source.name, source.service, source.project, source.node_name, source.image];
    if (wanted !== "" && !words.some((word) => word.toLowerCase().includes(wanted))) continue;
    const services = groups.get(source.project) ?? new Map<string, LogSourceView[]>();
    groups.set(source.project, services);
    services.set(source.service, [...(services.get(source.service) ?? []), source]);
  }
  return [...groups]
    .sort(([a], [b]) => Number(a === "") - Number(b === "") || a.localeCompare(b))
    .map(([project, services]) => ({
      project,
      services: [...services]
        .sort(([a], [b]) => a.localeCompare(b))
        .map(([service, containers]) => ({
          service,
          containers: containers.sort(
            (a, b) =>
              Number(b.is_present) - Number(a.is_present) ||
              a.name.localeCompare(b.name) ||
              a.node_name.localeCompare(b.node_name),
          ),
        })),
    }));
}

function serviceKey(project: string, service: string): string {
  return service.includes(".") || project === "" ? service : `${project}.${service}`;
}

function toggled(list: readonly string[], value: string): string[] {
  return list.includes(value) ? list.filter((each) => each !== value) : [...list, value];
}

function isChosen(references: readonly string[], source: LogSourceView): boolean {
  return references.some(
    (each) => each === source.name || (each.length >= 4 && source.container_id.startsWith(each)),
  );
}

function toggledContainer(references: readonly string[], source: LogSourceView): string[] {
  if (!isChosen(references, source)) return [...references, source.container_id.slice(0, 12)];
  return references.filter((each) => !isChosen([each], source));
}

function nameOf(choice: Choice, sources: LogSourcesView | undefined): string {
  const [container] = choice.containers;
  if (container === undefined) return choice.services[0] ?? choice.projects[0] ?? "";
  return sources?.sources.find((each) => isChosen([container], each))?.name ?? container;
}
