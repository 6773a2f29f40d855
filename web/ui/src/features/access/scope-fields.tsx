import { useState } from "react";
import type { HoursBody } from "@/api/openapi";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { Segmented, Toggle } from "@/components/ui/segmented";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { DAYS, ownZone, SCOPE_FIELDS, type ScopeDraft } from "./scope";

/** Most scopes are a project, a service or a label. */
const FIRST = 3;

interface ScopeFieldsProps {
  draft: ScopeDraft;
  onChange: (draft: ScopeDraft) => void;
}

/** On what: a field per constraint. */
export function ScopeFields({ draft, onChange }: ScopeFieldsProps) {
  const t = useMessages(messages);
  const isMoreUsed = SCOPE_FIELDS.slice(FIRST).some((field) => (draft[field] ?? "") !== "");
  const [isWhole, setWhole] = useState(isMoreUsed);
  const fields = isWhole ? SCOPE_FIELDS : SCOPE_FIELDS.slice(0, FIRST);
  return (
    <fieldset className="flex flex-col gap-2">
      <legend className="mb-1.5 text-sm font-medium">{t.where}</legend>
      <div className="grid gap-x-4 gap-y-3 sm:grid-cols-2">
        {fields.map((field) => (
          <Field key={field} label={t.scope[field]}>
            {(control) => (
              <Input
                {...control}
                value={draft[field] ?? ""}
                placeholder={t.scopeHints[field]}
                autoComplete="off"
                spellCheck={false}
                onChange={(event) => onChange({ ...draft, [field]: event.currentTarget.value })}
              />
            )}
          </Field>
        ))}
      </div>
      <p className="flex flex-wrap items-center gap-2 text-xs text-muted">
        {t.several}
        {!isWhole && (
          <Button tone="ghost" className="h-6 px-2 text-xs" onClick={() => setWhole(true)}>
            {t.moreConstraints}
          </Button>
        )}
      </p>
    </fieldset>
  );
}

interface HoursFieldsProps {
  hours: readonly HoursBody[];
  onChange: (hours: HoursBody[]) => void;
}

/** When: always, or certain hours of certain days. */
export function HoursFields({ hours, onChange }: HoursFieldsProps) {
  const t = useMessages(messages);
  const only = hours[0];
  const chosen: readonly string[] = only?.days ?? DAYS;
  const change = (part: Partial<HoursBody>) => only !== undefined && onChange([{ ...only, ...part }]);
  return (
    <div className="flex flex-col gap-2">
      <span className="text-sm font-medium">{t.hours}</span>
      <Segmented
        label={t.hours}
        value={only === undefined ? "always" : "hours"}
        options={[
          { value: "always", label: t.atAllTimes },
          { value: "hours", label: t.atHours },
        ]}
        onChange={(value) =>
          onChange(
            value === "always"
              ? []
              : [{ days: ["mon", "tue", "wed", "thu", "fri"], start: "09:00", end: "18:00", tz: ownZone() }],
          )
        }
        className="self-start"
      />
      {only !== undefined && (
        <div className="flex flex-col gap-3">
          <fieldset className="flex flex-wrap gap-1">
            <legend className="sr-only">{t.days}</legend>
            {DAYS.map((day) => {
              const isOn = chosen.includes(day);
              return (
                <Toggle
                  key={day}
                  label={t.dayNames[day]}
                  isOn={isOn}
                  onChange={() => {
                    const days = DAYS.filter((each) => (each === day ? !isOn : chosen.includes(each)));
                    // Hours of no day would never come.
                    if (days.length > 0) change({ days: [...days] });
                  }}
                />
              );
            })}
          </fieldset>
          <div className="grid grid-cols-2 gap-4 sm:grid-cols-3">
            <Field label={t.from}>
              {(control) => (
                <Input
                  {...control}
                  type="time"
                  required
                  value={only.start}
                  onChange={(event) => change({ start: event.currentTarget.value })}
                />
              )}
            </Field>
            <Field label={t.until}>
              {(control) => (
                <Input
                  {...control}
                  type="time"
                  required
                  value={only.end}
                  onChange={(event) => change({ end: event.currentTarget.value })}
                />
              )}
            </Field>
            <Field label={t.zone}>
              {(control) => (
                <Input
                  {...control}
                  required
                  value={only.tz}
                  spellCheck={false}
                  onChange={(event) => change({ tz: event.currentTarget.value })}
                />
              )}
            </Field>
          </div>
        </div>
      )}
    </div>
  );
}
