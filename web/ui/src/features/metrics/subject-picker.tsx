import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { type KeyboardEvent, useId, useRef, useState } from "react";
import { measuredQuery } from "@/api/observing";
import { clusterQuery, containersQuery, servicesQuery } from "@/api/queries";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { cn } from "@/lib/cn";
import { useMessages } from "@/lib/i18n";
import { usePressOutside } from "@/lib/outside";
import { messages } from "./messages";
import { found, type Option } from "./subject-options";
import { keyOf, labelOf, SUBJECTS_MAX, type Subject } from "./subjects";

interface PickerProps {
  subjects: readonly Subject[];
  onChange: (subjects: Subject[]) => void;
}

/** What is shown, and a search for more: hosts, services and containers, also those that are no more. */
export function SubjectPicker({ subjects, onChange }: PickerProps) {
  const t = useMessages(messages);
  const id = useId();
  const [text, setText] = useState("");
  const [isOpen, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const area = useRef<HTMLDivElement>(null);
  const options = useOptions(isOpen, text, subjects);
  const isFull = subjects.length >= SUBJECTS_MAX;
  const active = options[Math.min(at, options.length - 1)];

  usePressOutside(area, isOpen, () => setOpen(false));

  const choose = (option: Option) => {
    onChange([...subjects, option.subject]);
    setText("");
    setAt(0);
    setOpen(false);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setOpen(true);
      const step = event.key === "ArrowDown" ? 1 : -1;
      setAt((before) => Math.max(0, Math.min(options.length - 1, before + step)));
    } else if (event.key === "Enter" && isOpen && active !== undefined) {
      event.preventDefault();
      choose(active);
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      event.stopPropagation();
      setOpen(false);
    } else if (event.key === "Backspace" && text === "" && subjects.length > 0) {
      onChange(subjects.slice(0, -1));
    }
  };

  return (
    <div ref={area} className="relative flex min-w-0 flex-wrap items-center gap-1.5">
      {subjects.length === 0 && (
        <span className="inline-flex h-8 items-center rounded-md bg-hover px-2.5 text-sm pointer-coarse:h-10">
          {t.all}
        </span>
      )}
      {subjects.map((subject) => (
        <span
          key={keyOf(subject)}
          className="inline-flex h-8 max-w-full items-center gap-1.5 rounded-md bg-accent-soft pl-2.5 text-sm pointer-coarse:h-10"
        >
          <span className="text-xs text-muted">{t.kinds[subject.kind]}</span>
          <span className="min-w-0 truncate font-medium">{labelOf(subject)}</span>
          <Button
            tone="ghost"
            isIcon
            aria-label={t.remove(subject.name)}
            onClick={() => onChange(subjects.filter((each) => keyOf(each) !== keyOf(subject)))}
          >
            <X aria-hidden className="size-3.5" />
          </Button>
        </span>
      ))}
      <Input
        role="combobox"
        aria-label={t.searchLabel}
        aria-expanded={isOpen}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        {...(isOpen && active !== undefined ? { "aria-activedescendant": `${id}-${active.key}` } : {})}
        value={text}
        placeholder={isFull ? t.tooMany(SUBJECTS_MAX) : subjects.length === 0 ? t.add : t.addAnother}
        disabled={isFull}
        onFocus={() => setOpen(true)}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
          setOpen(true);
        }}
        onKeyDown={onKeyDown}
        className="w-60 max-w-full"
      />
      {isOpen && !isFull && (
        <div className="absolute top-full left-0 z-30 mt-1 max-h-80 w-[26rem] max-w-full overflow-y-auto rounded-lg border border-line bg-raised p-1 shadow-float">
          <div id={`${id}-list`} role="listbox" aria-label={t.pick}>
            {options.map((option, place) => (
              <div
                key={option.key}
                id={`${id}-${option.key}`}
                role="option"
                tabIndex={-1}
                aria-selected={option === active}
                onPointerDown={(event) => event.preventDefault()}
                onClick={() => choose(option)}
                onKeyDown={onKeyDown}
                onPointerMove={() => setAt(place)}
                className={cn(
                  "flex h-8 cursor-pointer items-center gap-2 rounded px-2 text-sm pointer-coarse:h-10",
                  option === active && "bg-hover",
                )}
              >
                <span className="w-16 shrink-0 text-xs text-muted">{t.kinds[option.subject.kind]}</span>
                <span className="min-w-0 flex-1 truncate">{option.subject.name}</span>
                <span className="shrink-0 text-xs text-muted">{option.where}</span>
              </div>
            ))}
          </div>
          {options.length === 0 && <p className="px-2 py-1.5 text-sm text-muted">{t.noMatch}</p>}
        </div>
      )}
    </div>
  );
}

function useOptions(isOpen: boolean, text: string, chosen: readonly Subject[]): Option[] {
  const cluster = useQuery(clusterQuery).data;
  const services = useQuery(servicesQuery).data;
  const containers = useQuery(containersQuery).data;
  // What is no more is found in the history alone.
  const measured = useQuery({ ...measuredQuery("container"), enabled: isOpen && text.length > 1 }).data;
  if (!isOpen) return [];
  return found(
    {
      hosts: (cluster?.nodes ?? []).map(({ name }) => name),
      services: (services ?? []).map((service) => service.id),
      containers: [
        ...(containers?.containers ?? []).map(({ name, node_name }) => ({ name, node: node_name })),
        ...(measured ?? []).map(({ name, node }) => ({ name, node })),
      ],
    },
    text,
    chosen,
  );
}
