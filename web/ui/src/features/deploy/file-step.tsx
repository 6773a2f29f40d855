import { useQuery } from "@tanstack/react-query";
import { ArrowRight, FilePlus2, Trash2 } from "lucide-react";
import { Suspense, useMemo, useRef, useState } from "react";
import type { ValidationView } from "@/api/openapi";
import { environmentsQuery, servicesQuery } from "@/api/queries";
import { Failed, Loading } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Field, Input, Select } from "@/components/ui/field";
import { MenuButton } from "@/components/ui/menu-button";
import { Card, Section } from "@/components/ui/section";
import { showDone, showError } from "@/components/ui/toast-store";
import { lazily } from "@/lib/fetched";
import { useMessages } from "@/lib/i18n";
import { fetchDetails, schemaQuery } from "./deploy-queries";
import type { Draft } from "./draft";
import { marksOf, withLines } from "./findings";
import { FindingsList } from "./findings-list";
import { messages } from "./messages";
import { fileOfRunning } from "./running-file";
import blueGreen from "./templates/blue-green.yaml?raw";
import canary from "./templates/canary.yaml?raw";
import database from "./templates/database.yaml?raw";
import scaled from "./templates/scaled.yaml?raw";
import web from "./templates/web.yaml?raw";
import type { Variable } from "./variables";

const ComposeEditor = lazily(() => import("./compose-editor"));
/** What the server takes. */
const FILE_BYTES_MAX = 1024 * 1024;
/** So many projects are offered to start from: more would be a list to search. */
const PROJECTS_MAX = 12;

interface FileStepProps {
  draft: Draft;
  variables: readonly Variable[];
  values: Readonly<Record<string, string>>;
  found: ValidationView | undefined;
  isChecked: boolean;
  error: Error | null;
  isKept: boolean;
  onChange: (next: Partial<Draft>) => void;
  onValue: (name: string, value: string) => void;
  onNext: () => void;
  onDiscard: () => void;
  onFailed: () => void;
}

/** The Compose file, checked by the server while it is written. */
export function FileStep(props: FileStepProps) {
  const { draft, found, isChecked, onChange } = props;
  const t = useMessages(messages);
  const schema = useQuery(schemaQuery);
  const [goTo, setGoTo] = useState<{ line: number } | null>(null);
  const findings = useMemo(
    () => (found === undefined ? [] : withLines(found.findings, draft.compose)),
    [found, draft.compose],
  );
  const marks = useMemo(
    () => (isChecked ? marksOf(findings, draft.compose) : []),
    [isChecked, findings, draft.compose],
  );
  const hasErrors = found === undefined || found.errors > 0;
  return (
    <div className="grid gap-6 xl:grid-cols-[minmax(0,2fr)_minmax(20rem,1fr)]">
      <Section title={t.compose} actions={<FileActions {...props} />}>
        <Card className="h-[clamp(20rem,calc(100dvh-20rem),48rem)] overflow-hidden">
          <Suspense fallback={<Loading label={t.loadingEditor} rows={8} />}>
            <ComposeEditor
              label={t.compose}
              value={draft.compose}
              schema={schema.data ?? null}
              marks={marks}
              goTo={goTo}
              brokenYaml={t.brokenYaml}
              onChange={(compose) => onChange({ compose })}
            />
          </Suspense>
        </Card>
        <p className="mt-1.5 flex flex-wrap justify-between gap-x-4 text-xs text-muted">
          <span role="status">{draft.compose === "" ? "" : props.isKept ? t.draftKept : t.draftNotKept}</span>
          <span className="pointer-coarse:hidden">{t.tab}</span>
        </p>
      </Section>
      <div className="flex min-w-0 flex-col gap-6">
        <Section title={t.findings} note={<Verdict {...props} />}>
          <Card className="px-4 py-1">
            {props.error !== null && found === undefined ? (
              <Failed error={props.error} onRetry={props.onFailed} />
            ) : found === undefined ? (
              <p className="py-2 text-sm text-muted">{t.notChecked}</p>
            ) : findings.length === 0 ? (
              <p className="py-2 text-sm text-muted">{t.allWell}</p>
            ) : (
              <div className="max-h-96 overflow-y-auto">
                <FindingsList findings={findings} onLine={(line) => setGoTo({ line })} />
              </div>
            )}
            {found !== undefined && found.ignored.length > 0 && (
              <details className="border-t border-line py-2 text-sm text-muted">
                <summary>{t.ignored(found.ignored.length)}</summary>
                <ul className="mt-1 flex flex-col gap-0.5">
                  {found.ignored.map(({ path, reason }) => (
                    <li key={path} className="break-words">
                      <span className="font-mono text-xs">{path}</span>: {reason}
                    </li>
                  ))}
                </ul>
              </details>
            )}
          </Card>
        </Section>
        <Settings {...props} />
        <div className="flex justify-end">
          <Button tone="primary" disabled={hasErrors || !isChecked} onClick={props.onNext}>
            {t.toPlan}
            <ArrowRight aria-hidden className="size-3.5" />
          </Button>
        </div>
      </div>
    </div>
  );
}

function Verdict({ draft, found, isChecked }: FileStepProps) {
  const t = useMessages(messages);
  if (draft.compose.trim() === "") return null;
  const status =
    found === undefined || !isChecked ? (
      <Status tone="neutral">{t.checking}</Status>
    ) : found.errors > 0 ? (
      <Status tone="bad">{t.errors(found.errors)}</Status>
    ) : found.warnings > 0 ? (
      <Status tone="warn">{t.warnings(found.warnings)}</Status>
    ) : (
      <Status tone="ok">{t.checked}</Status>
    );
  return <span role="status">{status}</span>;
}

function Settings({ draft, variables, values, onChange, onValue }: FileStepProps) {
  const t = useMessages(messages);
  const environments = useQuery(environmentsQuery);
  return (
    <Card className="flex flex-col gap-4 p-4">
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label={t.project} hint={t.projectHint}>
          {(control) => (
            <Input
              {...control}
              value={draft.project}
              autoComplete="off"
              onChange={(event) => onChange({ project: event.currentTarget.value })}
            />
          )}
        </Field>
        <Field label={t.environment}>
          {(control) => (
            <Select
              {...control}
              value={draft.environment}
              onChange={(event) => onChange({ environment: event.currentTarget.value })}
            >
              <option value="">{t.everywhere}</option>
              {(environments.data ?? []).map(({ name }) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </Select>
          )}
        </Field>
      </div>
      {variables.length > 0 && (
        <fieldset className="flex flex-col gap-3">
          <legend className="text-sm font-medium">{t.variables}</legend>
          <p className="text-xs text-muted">{t.variablesHint}</p>
          <div className="grid gap-3 sm:grid-cols-2">
            {variables.map((variable) => (
              <Field
                key={variable.name}
                label={variable.name}
                hint={variable.isRequired ? t.variableRequired : t.variableDefault(variable.default)}
              >
                {(control) => (
                  <Input
                    {...control}
                    value={values[variable.name] ?? ""}
                    autoComplete="off"
                    onChange={(event) => onValue(variable.name, event.currentTarget.value)}
                  />
                )}
              </Field>
            ))}
          </div>
        </fieldset>
      )}
    </Card>
  );
}

function FileActions({ draft, onChange, onDiscard }: FileStepProps) {
  const t = useMessages(messages);
  const { data: services } = useQuery(servicesQuery);
  const upload = useRef<HTMLInputElement>(null);
  const replace = (name: string, next: Partial<Draft>) => {
    const before = draft;
    onChange({ file: "", project: "", ...next });
    showDone(
      t.replaced(name),
      "",
      before.compose === "" ? undefined : { label: t.undo, run: () => onChange(before) },
    );
  };
  const read = async (file: File | undefined) => {
    if (file === undefined) return;
    if (file.size > FILE_BYTES_MAX) showError(new Error(t.tooLarge(file.name)));
    else replace(file.name, { compose: await file.text(), file: file.name });
  };
  const projects = [...new Set((services ?? []).map(({ project }) => project))].sort().slice(0, PROJECTS_MAX);
  const start = async (project: string) => {
    try {
      const ids = (services ?? []).filter((each) => each.project === project).map(({ id }) => id);
      replace(t.fromProject(project), { compose: fileOfRunning(project, await fetchDetails(ids)) });
    } catch (error) {
      showError(error);
    }
  };
  const templates: readonly [string, string][] = [
    [t.templateWeb, web],
    [t.templateCanary, canary],
    [t.templateBlueGreen, blueGreen],
    [t.templateDatabase, database],
    [t.templateScaled, scaled],
  ];
  return (
    <>
      <input
        ref={upload}
        type="file"
        accept=".yaml,.yml,application/yaml"
        aria-label={t.fromFile}
        tabIndex={-1}
        className="hidden"
        onChange={(event) => {
          void read(event.currentTarget.files?.[0]);
          event.currentTarget.value = "";
        }}
      />
      {draft.compose !== "" && (
        <Button
          tone="ghost"
          onClick={() => {
            const before = draft;
            onDiscard();
            showDone(t.discarded, "", { label: t.undo, run: () => onChange(before) });
          }}
        >
          <Trash2 aria-hidden className="size-3.5" />
          {t.discard}
        </Button>
      )}
      <MenuButton
        menuLabel={t.startFrom}
        groups={[
          [{ key: "upload", label: t.fromFile, onSelect: () => upload.current?.click() }],
          projects.map((project) => ({
            key: `project ${project}`,
            label: t.fromProject(project),
            onSelect: () => void start(project),
          })),
          templates.map(([label, compose]) => ({
            key: label,
            label,
            onSelect: () => replace(label, { compose }),
          })),
        ]}
      >
        <FilePlus2 aria-hidden className="size-3.5" />
        {t.startFrom}
      </MenuButton>
    </>
  );
}
