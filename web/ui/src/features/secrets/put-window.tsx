import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useMemo, useState } from "react";
import type { FileBody, StoredFileView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { environmentsQuery } from "@/api/queries";
import { errorOf, FormError } from "@/components/form-error";
import { Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { CheckBox, Field, Input, Select, TextArea } from "@/components/ui/field";
import { cn } from "@/lib/cn";
import { formatBytes } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import {
  base64Of,
  CONTENT_BYTES_MAX,
  contentQuery,
  GENERATED_BYTES,
  type Kind,
  usePut,
} from "./stored-files";
import { TextDiff } from "./text-diff";

const WAYS = ["typed", "file", "random"] as const;
type Way = (typeof WAYS)[number];

interface PutWindowProps {
  kind: Kind;
  /** Of which a new version is put; null for a new name. */
  stored: StoredFileView | null;
  onClose: () => void;
}

/** A new secret or config, or a new version of one. A config begins with its present content. */
export default function PutWindow(props: PutWindowProps) {
  const can = useCan();
  const isRead = props.kind === "configs" && props.stored !== null && can("config.inspect");
  return isRead ? <WithPresent {...props} /> : <PutForm {...props} present={null} />;
}

function WithPresent(props: PutWindowProps) {
  const t = useMessages(messages);
  const { name, environment, newest } = props.stored ?? { name: "", environment: "", newest: 0 };
  const present = useQuery(contentQuery({ name, environment }, newest));
  if (present.isPending) {
    return (
      <Dialog title={t.putTitle(name)} onClose={props.onClose}>
        <Loading label={t.loadingContent} rows={6} />
      </Dialog>
    );
  }
  return <PutForm {...props} present={present.data?.value ?? null} />;
}

function PutForm({ kind, stored, present, onClose }: PutWindowProps & { present: string | null }) {
  const t = useMessages(messages);
  const can = useCan();
  const put = usePut(kind, onClose);
  const environments = useQuery({ ...environmentsQuery, enabled: can("environment.read") });
  const [name, setName] = useState(stored?.name ?? "");
  const [environment, setEnvironment] = useState(stored?.environment ?? "");
  const [way, setWay] = useState<Way>("typed");
  const [value, setValue] = useState(present ?? "");
  const [file, setFile] = useState<File | null>(null);
  const [bytes, setBytes] = useState(String(GENERATED_BYTES.usual));
  const [isShown, setShown] = useState(false);
  const isSecret = kind === "secrets";
  const typedBytes = useMemo(() => new TextEncoder().encode(value).length, [value]);
  const size = way === "typed" ? typedBytes : way === "file" ? (file?.size ?? 0) : 0;
  const fault = size > CONTENT_BYTES_MAX ? t.tooLarge(formatBytes(size)) : undefined;
  const isReady =
    name !== "" &&
    fault === undefined &&
    (way === "random" ? bytes !== "" : size > 0 && (way === "file" || value !== present));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!isReady) return;
    const content: Partial<FileBody> =
      way === "typed"
        ? { value }
        : way === "file" && file !== null
          ? { value_base64: await base64Of(file) }
          : { generate_bytes: Number(bytes) };
    put.mutate({ name, environment, content });
  };
  return (
    <Dialog
      title={stored === null ? t.newTitle[kind] : t.putTitle(stored.name)}
      description={t.putNote}
      isWide
      onClose={onClose}
    >
      <form className="flex flex-col gap-4" onSubmit={(event) => void submit(event)}>
        {stored === null && (
          <div className="grid gap-4 sm:grid-cols-2">
            <Field label={t.name} hint={t.nameHint} error={errorOf(put.error, "name")}>
              {(control) => (
                <Input
                  {...control}
                  value={name}
                  required
                  autoComplete="off"
                  autoCapitalize="off"
                  spellCheck={false}
                  onInput={(event) => setName(event.currentTarget.value)}
                />
              )}
            </Field>
            <Field label={t.environment} hint={t.environmentHint} error={errorOf(put.error, "environment")}>
              {(control) => (
                <Select
                  {...control}
                  value={environment}
                  onChange={(event) => setEnvironment(event.currentTarget.value)}
                >
                  <option value="">{t.allEnvironments}</option>
                  {(environments.data ?? []).map((each) => (
                    <option key={each.name} value={each.name}>
                      {each.name}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
          </div>
        )}
        <Field label={t.how}>
          {(control) => (
            <Select {...control} value={way} onChange={(event) => setWay(event.currentTarget.value as Way)}>
              {WAYS.filter((each) => isSecret || each !== "random").map((each) => (
                <option key={each} value={each}>
                  {t.ways[each]}
                </option>
              ))}
            </Select>
          )}
        </Field>
        {way === "typed" && (
          <>
            <Field
              label={isSecret ? t.value : t.content}
              hint={t.exact}
              error={errorOf(put.error, "value") ?? fault}
            >
              {(control) => (
                <TextArea
                  {...control}
                  value={value}
                  rows={isSecret ? 3 : 12}
                  autoComplete="off"
                  autoCapitalize="off"
                  spellCheck={false}
                  className={cn(isSecret && !isShown && "[-webkit-text-security:disc]")}
                  onInput={(event) => setValue(event.currentTarget.value)}
                />
              )}
            </Field>
            {isSecret && <CheckBox label={t.reveal} isOn={isShown} onChange={setShown} />}
            {present !== null && value !== present && (
              <TextDiff before={present} after={value} label={t.changesTo} />
            )}
          </>
        )}
        {way === "file" && (
          <Field label={t.file} hint={t.fileHint} error={errorOf(put.error, "value_base64") ?? fault}>
            {(control) => (
              <Input
                {...control}
                type="file"
                className="h-auto py-1 pointer-coarse:h-auto"
                onChange={(event) => setFile(event.currentTarget.files?.[0] ?? null)}
              />
            )}
          </Field>
        )}
        {way === "random" && (
          <Field label={t.bytes} hint={t.bytesHint} error={errorOf(put.error, "generate_bytes")}>
            {(control) => (
              <Input
                {...control}
                type="number"
                min={GENERATED_BYTES.least}
                max={GENERATED_BYTES.most}
                value={bytes}
                onInput={(event) => setBytes(event.currentTarget.value)}
              />
            )}
          </Field>
        )}
        <FormError
          error={put.error}
          fields={["name", "environment", "value", "value_base64", "generate_bytes"]}
        />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button type="submit" tone="primary" disabled={!isReady || put.isPending}>
            {t.save}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
