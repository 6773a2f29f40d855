import { useQuery } from "@tanstack/react-query";
import { Settings } from "lucide-react";
import { useState } from "react";
import type { SettingView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { errorWords } from "@/api/problem";
import { Ago } from "@/components/ago";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Input, Select } from "@/components/ui/field";
import { Card, Section } from "@/components/ui/section";
import { formatSize } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import {
  groupsOf,
  type Retention,
  retentionOf,
  type SettingGroup,
  settingsQuery,
  useSaveSetting,
} from "./settings";

/** Values of the settings that have only a few. */
const CHOICES: Record<string, readonly string[]> = {
  "auth.second_factor": ["optional", "administrators", "everyone"],
  "logs.history_enabled": ["true", "false"],
  "plans.four_eyes": ["true", "false"],
  "plans.in_client": ["true", "false"],
  "plans.required": ["none", "destructive", "all"],
};

/** Every setting of the cluster, in groups. */
export function SettingsSections() {
  const t = useMessages(messages);
  const query = useQuery(settingsQuery);
  return (
    <Loaded query={query} loading={<Loading label={t.loading} rows={8} />}>
      {(settings) =>
        settings.length === 0 ? (
          <Empty icon={<Settings className="size-5" />} title={t.none}>
            {t.noneNote}
          </Empty>
        ) : (
          <div className="flex flex-col gap-6">
            {groupsOf(settings).map((group) => (
              <Group key={group.name} group={group} />
            ))}
          </div>
        )
      }
    </Loaded>
  );
}

function Group({ group }: { group: SettingGroup }) {
  const t = useMessages(messages);
  const { title, note } = t.groups[group.name];
  const kept = group.settings.map(retentionOf).filter((each) => each !== null);
  const rest = group.settings.filter((setting) => retentionOf(setting) === null);
  return (
    <Section title={title} note={note}>
      <Card>
        <ul className="divide-y divide-line">
          {rest.map((setting) => (
            <li key={setting.key} className="px-4 py-3">
              <Row setting={setting} />
            </li>
          ))}
        </ul>
        {kept.length > 0 && <Kept kept={kept} />}
      </Card>
    </Section>
  );
}

function Row({ setting }: { setting: SettingView }) {
  const t = useMessages(messages);
  const words = t.settings[setting.key];
  const id = `setting-${setting.key}`;
  return (
    <div className="grid items-start gap-x-6 gap-y-2 md:grid-cols-[minmax(0,1fr)_minmax(0,22rem)]">
      <div className="min-w-0">
        <label htmlFor={id} className="font-medium">
          {words?.title ?? setting.key}
        </label>
        {words !== undefined && <p className="text-sm text-muted">{words.note}</p>}
        <p className="tabular text-xs break-words text-muted">
          <code className="font-mono">{setting.key}</code>
          {setting.default !== null && ` · ${t.default(shown(setting.key, setting.default, t.nothing))}`}
          {setting.changed_at_ms !== null && (
            <Ago atMs={setting.changed_at_ms} say={(age) => ` · ${t.changed(age)}`} />
          )}
        </p>
      </div>
      <Value id={id} setting={setting} name={words?.title ?? setting.key} />
    </div>
  );
}

/** A value for people: bytes in their units. */
function shown(key: string, value: string, nothing: string): string {
  if (value === "") return nothing;
  return /bytes_max$/.test(key) && /^\d+$/.test(value) ? `${formatSize(Number(value))} (${value})` : value;
}

/** The value, and what can be done once it was changed. Its error is shown here. */
function Value({
  id,
  setting,
  name,
  isNarrow = false,
}: {
  id: string;
  setting: SettingView;
  name: string;
  isNarrow?: boolean;
}) {
  const t = useMessages(messages);
  const mayWrite = useCan()("setting.write");
  const stored = setting.value ?? setting.default ?? "";
  const [draft, setDraft] = useState<string | null>(null);
  const save = useSaveSetting(() => name);
  const value = draft ?? stored;
  const isChanged = draft !== null && draft !== stored;
  const put = (next: string | null) =>
    save.mutate({ setting, value: next }, { onSuccess: () => setDraft(null) });
  const choices = CHOICES[setting.key];
  const error = save.isError ? errorWords(save.error) : undefined;
  const control = {
    id,
    value,
    disabled: !mayWrite || save.isPending,
    "aria-invalid": error !== undefined,
    "aria-describedby": error === undefined ? undefined : `${id}-error`,
    className: isNarrow ? "w-20" : "min-w-0 flex-1",
  };
  return (
    <form
      className="min-w-0"
      onSubmit={(event) => {
        event.preventDefault();
        if (isChanged) put(value);
      }}
    >
      <div className="flex flex-wrap items-center gap-2">
        {choices === undefined ? (
          <Input
            {...control}
            inputMode={/^\d+$/.test(stored) ? "numeric" : "text"}
            onChange={(event) => setDraft(event.currentTarget.value)}
          />
        ) : (
          <Select {...control} onChange={(event) => setDraft(event.currentTarget.value)}>
            {choices.map((choice) => (
              <option key={choice}>{choice}</option>
            ))}
          </Select>
        )}
        {isChanged && (
          <>
            <Button tone="primary" type="submit" disabled={save.isPending}>
              {t.save}
            </Button>
            <Button
              onClick={() => {
                setDraft(null);
                save.reset();
              }}
            >
              {t.cancel}
            </Button>
          </>
        )}
        {!isChanged && mayWrite && !isNarrow && setting.value !== null && setting.default !== null && (
          <Button onClick={() => put(null)} disabled={save.isPending}>
            {t.reset}
          </Button>
        )}
      </div>
      {error !== undefined && (
        <p id={`${id}-error`} role="alert" className="mt-1 text-sm text-bad">
          {error}
        </p>
      )}
    </form>
  );
}

/** How long the records of each kind are kept: one row for a kind, one column for a record. */
function Kept({ kept }: { kept: readonly Retention[] }) {
  const t = useMessages(messages);
  const kinds = [...new Set(kept.map(({ kind }) => kind))];
  const records = ["raw", "hourly", "daily"];
  return (
    <div className="overflow-x-auto border-t border-line">
      <table className="w-full text-sm">
        <thead>
          <tr className="border-b border-line text-left text-muted">
            <th scope="col" className="px-4 py-2 font-normal">
              {t.kind}
            </th>
            {records.map((record) => (
              <th key={record} scope="col" className="px-4 py-2 font-normal whitespace-nowrap">
                {t.records[record]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="divide-y divide-line">
          {kinds.map((kind) => (
            <tr key={kind}>
              <th scope="row" className="px-4 py-2 text-left font-medium">
                {t.kinds[kind] ?? kind}
              </th>
              {records.map((record) => {
                const found = kept.find((each) => each.kind === kind && each.record === record);
                const name = t.days(t.kinds[kind] ?? kind, t.records[record] ?? record);
                return (
                  <td key={record} className="px-4 py-2">
                    {found !== undefined && (
                      <>
                        <label htmlFor={`setting-${found.setting.key}`} className="sr-only">
                          {name}
                        </label>
                        <Value
                          id={`setting-${found.setting.key}`}
                          setting={found.setting}
                          name={name}
                          isNarrow
                        />
                      </>
                    )}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
