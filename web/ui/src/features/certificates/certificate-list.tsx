import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { BadgeCheck, Plus } from "lucide-react";
import { type FormEvent, type ReactNode, useState } from "react";
import { request } from "@/api/client";
import { errorOf, FormError } from "@/components/form-error";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Badge, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { Field, TextArea } from "@/components/ui/field";
import { FocusedInput } from "@/components/ui/focused-input";
import { Card, Section } from "@/components/ui/section";
import { showDone } from "@/components/ui/toast-store";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

interface Certificate {
  name: string;
  hosts: string[];
}

/** What differs by what the certificates are for. */
interface Words {
  title: string;
  note: string;
  none: string;
  noneNote: string;
  save: string;
  saved: (name: string) => string;
  removeNote: (hosts: string) => string;
}

interface CertificateListProps<Each extends Certificate> {
  /** Where they are in the API. */
  collection: "certificates" | "web-certificates";
  words: Words;
  mayPut: boolean;
  mayRemove: boolean;
  standing: (certificate: Each) => ReactNode;
}

/** Certificates of one kind, with what can be done to them. */
export function CertificateList<Each extends Certificate>({
  collection,
  words,
  mayPut,
  mayRemove,
  standing,
}: CertificateListProps<Each>) {
  const t = useMessages(messages);
  const client = useQueryClient();
  const queryKey = [collection];
  const query = useQuery({
    queryKey,
    queryFn: async ({ signal }) => (await request<{ items: Each[] }>(`/${collection}`, { signal })).items,
  });
  const [edited, setEdited] = useState<string | null>(null);
  const [asked, setAsked] = useState<Each | null>(null);
  const remove = useMutation({
    mutationFn: (name: string) => request(pathOf(collection, name), { method: "DELETE" }),
    onSuccess: (_, name) => showDone(t.removed(name)),
    onSettled: () => {
      setAsked(null);
      return client.invalidateQueries({ queryKey });
    },
  });
  return (
    <Section
      title={words.title}
      note={words.note}
      actions={
        mayPut && (
          <Button onClick={() => setEdited("")}>
            <Plus aria-hidden className="size-3.5" />
            {t.add}
          </Button>
        )
      }
    >
      <Card>
        <Loaded query={query} loading={<Loading label={t.loading} />}>
          {(certificates) =>
            certificates.length === 0 ? (
              <Empty icon={<BadgeCheck className="size-5" />} title={words.none}>
                {words.noneNote}
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {certificates.map((each) => (
                  <li
                    key={each.name}
                    className="flex min-h-12 flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2 text-sm"
                  >
                    <span className="font-medium">{each.name}</span>
                    <span className="min-w-0 break-words text-muted">{each.hosts.join(", ")}</span>
                    {standing(each)}
                    <span className="ml-auto flex gap-2">
                      {mayPut && <Button onClick={() => setEdited(each.name)}>{t.replace}</Button>}
                      {mayRemove && <Button onClick={() => setAsked(each)}>{t.remove}</Button>}
                    </span>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      {edited !== null && (
        <Upload collection={collection} words={words} name={edited} onClose={() => setEdited(null)} />
      )}
      {asked !== null && (
        <Confirm
          title={t.removeTitle(asked.name)}
          verb={t.remove}
          isDangerous
          isPending={remove.isPending}
          onCancel={() => setAsked(null)}
          onConfirm={() => remove.mutate(asked.name)}
        >
          <p>{words.removeNote(asked.hosts.join(", "))}</p>
        </Confirm>
      )}
    </Section>
  );
}

function pathOf(collection: string, name: string): string {
  return `/${collection}/${encodeURIComponent(name)}`;
}

interface StandingProps {
  tone: Tone;
  word: string;
  isOver: boolean;
  endMs: number;
}

/** Whether one is good, and until when. */
export function Standing({ tone, word, isOver, endMs }: StandingProps) {
  const t = useMessages(messages);
  const moment = formatMoment(endMs);
  return (
    <>
      <Badge tone={tone}>{word}</Badge>
      <span className="tabular text-muted">{isOver ? t.ended(moment) : t.ends(moment)}</span>
    </>
  );
}

const FIELDS = ["certificate", "key"];

interface Sent {
  name: string;
  certificate: string;
  key: string;
}

interface UploadProps extends Pick<CertificateListProps<Certificate>, "collection" | "words"> {
  /** "" for a new one. */
  name: string;
  onClose: () => void;
}

/** The key stays in its field: nothing of the page keeps it. */
function Upload({ collection, words, name: given, onClose }: UploadProps) {
  const t = useMessages(messages);
  const client = useQueryClient();
  const save = useMutation({
    mutationFn: ({ name, ...body }: Sent) => request(pathOf(collection, name), { method: "PUT", body }),
    meta: { isShownInPlace: true },
    onSuccess: (_, { name }) => {
      showDone(words.saved(name));
      onClose();
      return client.invalidateQueries({ queryKey: [collection] });
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const text = (name: string) => String(fields.get(name) ?? "").trim();
    save.mutate({ name: given || text("name"), certificate: text("certificate"), key: text("key") });
  };
  return (
    <Dialog title={given === "" ? t.add : `${t.replace}: ${given}`} isWide onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <FormError error={save.error} fields={given === "" ? ["name", ...FIELDS] : FIELDS} />
        {given === "" && (
          <Field label={t.name} hint={t.nameHint} error={errorOf(save.error, "name")}>
            {(control) => <FocusedInput {...control} name="name" required maxLength={63} />}
          </Field>
        )}
        <Field label={t.certificate} hint={t.certificateHint} error={errorOf(save.error, "certificate")}>
          {(control) => (
            <TextArea
              {...control}
              name="certificate"
              required
              rows={6}
              spellCheck={false}
              placeholder="-----BEGIN CERTIFICATE-----"
            />
          )}
        </Field>
        <Field label={t.key} hint={t.keyHint} error={errorOf(save.error, "key")}>
          {(control) => (
            <TextArea
              {...control}
              name="key"
              required
              rows={5}
              spellCheck={false}
              autoComplete="off"
              placeholder="-----BEGIN PRIVATE KEY-----"
            />
          )}
        </Field>
        <div className="flex justify-end">
          <Button tone="primary" type="submit" disabled={save.isPending}>
            {save.isPending ? t.saving : words.save}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
