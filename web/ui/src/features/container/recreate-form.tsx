import { useMutation } from "@tanstack/react-query";
import { Plus, Trash2, Undo2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import type { ContainerView, SettingsView } from "@/api/openapi";
import { Button } from "@/components/ui/button";
import { Field, Input, TextArea } from "@/components/ui/field";
import { useMessages } from "@/lib/i18n";
import { type Planned, planOf } from "./recreate";
import { type Changes, changesOf, type Draft, type DraftVariable, draftOf, isFault } from "./recreate-draft";
import { messages } from "./settings-messages";

interface RecreateFormProps {
  container: ContainerView;
  settings: SettingsView;
  onPlanned: (planned: Planned) => void;
}

/** What a container made anew is to have otherwise; the plan comes before anything is done. */
export function RecreateForm({ container, settings, onPlanned }: RecreateFormProps) {
  const t = useMessages(messages);
  const [draft, setDraft] = useState<Draft>(() => draftOf(settings));
  const found = changesOf(settings, draft);
  const fault = isFault(found) ? found : null;
  const planning = useMutation({
    mutationFn: async (changes: Changes) => ({ container, plan: await planOf(container, changes), changes }),
    onSuccess: onPlanned,
  });
  const errorOf = (field: string) => (fault?.field === field ? t.badLine(fault.text) : undefined);
  const area = (key: "command" | "labels" | "ports" | "mounts", label: string, hint: string) => (
    <Field label={label} hint={hint} error={errorOf(key)}>
      {(control) => (
        <TextArea
          {...control}
          rows={Math.min(8, Math.max(3, draft[key].split("\n").length + 1))}
          value={draft[key]}
          spellCheck={false}
          onChange={(event) => setDraft({ ...draft, [key]: event.currentTarget.value })}
          className="w-full"
        />
      )}
    </Field>
  );
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        if (!isFault(found)) planning.mutate(found);
      }}
    >
      <div className="grid gap-4 lg:grid-cols-2">
        <Field label={t.image} hint={t.imageHint}>
          {(control) => (
            <Input
              {...control}
              value={draft.image}
              spellCheck={false}
              autoComplete="off"
              onChange={(event) => setDraft({ ...draft, image: event.currentTarget.value })}
              className="w-full font-mono text-xs"
            />
          )}
        </Field>
        <div />
        {area("command", t.command, t.commandHint)}
        {area("ports", t.ports, t.portsHint)}
        {area("mounts", t.mounts, t.mountsHint)}
        {area("labels", t.labels, t.labelsHint)}
      </div>
      <Variables
        variables={draft.variables}
        error={errorOf("variables")}
        onChange={(variables) => setDraft({ ...draft, variables })}
      />
      <div>
        <Button type="submit" tone="primary" disabled={fault !== null || planning.isPending}>
          {t.plan}
        </Button>
      </div>
    </form>
  );
}

interface VariablesProps {
  variables: readonly DraftVariable[];
  error: string | undefined;
  onChange: (variables: DraftVariable[]) => void;
}

function Variables({ variables, error, onChange }: VariablesProps) {
  const t = useMessages(messages);
  const change = (place: number, next: Partial<DraftVariable>) =>
    onChange(variables.map((each, at) => (at === place ? { ...each, ...next } : each)));
  return (
    <fieldset className="flex flex-col gap-2">
      <legend className="mb-1.5 text-sm font-medium">{t.variables}</legend>
      {variables.map((variable, place) => (
        <div key={place} className="flex flex-wrap items-center gap-2">
          <Input
            aria-label={t.variableName}
            value={variable.name}
            disabled={!variable.isNew}
            spellCheck={false}
            autoComplete="off"
            onChange={(event) => change(place, { name: event.currentTarget.value })}
            className="w-full min-w-0 font-mono text-xs sm:w-56"
          />
          <Input
            aria-label={`${t.variableValue}: ${variable.name}`}
            value={variable.value ?? ""}
            placeholder={variable.isRemoved ? t.removed : variable.isNew ? "" : t.keep}
            disabled={variable.isRemoved}
            spellCheck={false}
            autoComplete="off"
            onChange={(event) => change(place, { value: event.currentTarget.value })}
            className="min-w-0 flex-1 font-mono text-xs"
          />
          <Button
            tone="ghost"
            isIcon
            aria-label={variable.isRemoved ? t.putBack(variable.name) : t.remove(variable.name)}
            title={variable.isRemoved ? t.putBack(variable.name) : t.remove(variable.name)}
            onClick={() =>
              variable.isNew
                ? onChange(variables.filter((_, at) => at !== place))
                : change(place, { isRemoved: !variable.isRemoved, value: null })
            }
          >
            {variable.isRemoved ? (
              <Undo2 aria-hidden className="size-4" />
            ) : (
              <Trash2 aria-hidden className="size-4" />
            )}
          </Button>
        </div>
      ))}
      {error !== undefined && <p className="text-xs text-bad">{error}</p>}
      <div>
        <Button
          onClick={() => onChange([...variables, { name: "", value: "", isRemoved: false, isNew: true }])}
        >
          <Plus aria-hidden className="size-3.5" />
          {t.addVariable}
        </Button>
      </div>
    </fieldset>
  );
}
