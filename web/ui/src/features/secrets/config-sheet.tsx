import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useState } from "react";
import type { ConfigView, StoredFileView } from "@/api/openapi";
import { Loaded } from "@/components/loaded";
import { Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Field, Select } from "@/components/ui/field";
import { Sheet } from "@/components/ui/sheet";
import { saveFile } from "@/lib/download";
import { formatBytes, formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { contentQuery } from "./stored-files";
import { TextDiff } from "./text-diff";

/** A config's versions: the content of one, or what differs between two. */
export default function ConfigSheet({ stored, onClose }: { stored: StoredFileView; onClose: () => void }) {
  const t = useMessages(messages);
  const [version, setVersion] = useState(stored.newest);
  const [other, setOther] = useState<number | null>(null);
  const content = useQuery(contentQuery(stored, version));
  const before = useQuery({ ...contentQuery(stored, other ?? version), enabled: other !== null });
  const name = (number: number) => {
    const found = stored.versions.find((each) => each.version === number);
    return found === undefined
      ? t.version(number)
      : `${t.version(number)}, ${formatMoment(found.created_at_ms)}, ${formatBytes(found.size_bytes)}`;
  };
  const numbers = stored.versions.map((each) => each.version);
  return (
    <Sheet
      title={stored.name}
      description={stored.environment || t.allEnvironments}
      isWide
      onClose={onClose}
      actions={
        content.data !== undefined && (
          <Button onClick={() => save(content.data)}>
            <Download aria-hidden className="size-3.5" />
            {t.download}
          </Button>
        )
      }
    >
      <div className="flex min-h-0 flex-1 flex-col gap-4 overflow-y-auto p-4">
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={t.versions}>
            {(control) => (
              <Select
                {...control}
                value={version}
                onChange={(event) => setVersion(Number(event.currentTarget.value))}
              >
                {numbers.map((number) => (
                  <option key={number} value={number}>
                    {name(number)}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Field label={t.compareWith}>
            {(control) => (
              <Select
                {...control}
                value={other ?? ""}
                onChange={(event) => setOther(Number(event.currentTarget.value) || null)}
              >
                <option value="">{t.nothing}</option>
                {numbers
                  .filter((number) => number !== version)
                  .map((number) => (
                    <option key={number} value={number}>
                      {name(number)}
                    </option>
                  ))}
              </Select>
            )}
          </Field>
        </div>
        <Loaded query={content} loading={<Loading label={t.loadingContent} rows={10} />}>
          {(shown) =>
            shown.value === null ? (
              <p className="text-sm text-muted">{t.binary}</p>
            ) : other === null || other === version ? (
              <pre
                // biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled to with the keys, too
                tabIndex={0}
                className="overflow-auto rounded-md border border-line p-3 font-mono text-xs leading-5"
              >
                {shown.value}
              </pre>
            ) : (
              <Loaded query={before} loading={<Loading label={t.loadingContent} rows={10} />}>
                {({ value }) =>
                  value === null ? (
                    <p className="text-sm text-muted">{t.binary}</p>
                  ) : (
                    <TextDiff before={value} after={shown.value ?? ""} label={t.changesTo} />
                  )
                }
              </Loaded>
            )
          }
        </Loaded>
      </div>
    </Sheet>
  );
}

function save({ name, value, value_base64 }: ConfigView): void {
  const content = value ?? Uint8Array.from(atob(value_base64 ?? ""), (character) => character.charCodeAt(0));
  saveFile(new Blob([content]), name);
}
