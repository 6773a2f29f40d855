import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { BadgeCheck, Plus } from "lucide-react";
import { useState } from "react";
import { request } from "@/api/client";
import type { RouteCertificateBody, RouteCertificatePage, RouteCertificateView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Loaded } from "@/components/loaded";
import { Empty, Failed, Loading } from "@/components/states";
import { Badge, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input, TextArea } from "@/components/ui/field";
import { Card, Section } from "@/components/ui/section";
import { showDone } from "@/components/ui/toast-store";
import { useNow } from "@/lib/clock";
import { formatMoment } from "@/lib/format";
import { textsOf, useMessages } from "@/lib/i18n";
import { messages } from "./messages";

const certificatesQuery = queryOptions({
  queryKey: ["certificates"],
  queryFn: async ({ signal }) => (await request<RouteCertificatePage>("/certificates", { signal })).items,
});

interface Put extends RouteCertificateBody {
  name: string;
}

const pathOf = (name: string) => `/certificates/${encodeURIComponent(name)}`;

/** The certificates routers show to visitors: when they end, and new ones. */
export function CertificatesSection() {
  const t = useMessages(messages);
  const client = useQueryClient();
  const can = useCan();
  const query = useQuery(certificatesQuery);
  const [edited, setEdited] = useState<string | null>(null);
  const [asked, setAsked] = useState<RouteCertificateView | null>(null);
  const remove = useMutation({
    mutationFn: (name: string) => request(pathOf(name), { method: "DELETE" }),
    onSuccess: (_, name) => showDone(textsOf(messages).removed(name)),
    onSettled: () => {
      setAsked(null);
      return client.invalidateQueries({ queryKey: certificatesQuery.queryKey });
    },
  });
  return (
    <Section
      title={t.title}
      note={t.note}
      actions={
        can("certificate.put") && (
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
              <Empty icon={<BadgeCheck className="size-5" />} title={t.none}>
                {t.noneNote}
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
                    <Ending certificate={each} />
                    <span className="ml-auto flex gap-2">
                      {can("certificate.put") && (
                        <Button onClick={() => setEdited(each.name)}>{t.replace}</Button>
                      )}
                      {can("certificate.remove") && (
                        <Button onClick={() => setAsked(each)}>{t.remove}</Button>
                      )}
                    </span>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      {edited !== null && <Edit name={edited} onClose={() => setEdited(null)} />}
      {asked !== null && (
        <Confirm
          title={t.removeTitle(asked.name)}
          verb={t.remove}
          isDangerous
          isPending={remove.isPending}
          onCancel={() => setAsked(null)}
          onConfirm={() => remove.mutate(asked.name)}
        >
          <p>{t.removeNote(asked.hosts.join(", "))}</p>
        </Confirm>
      )}
    </Section>
  );
}

function Ending({ certificate }: { certificate: RouteCertificateView }) {
  const t = useMessages(messages);
  const now = useNow();
  const isOver = certificate.not_after_ms <= now;
  const [tone, word]: [Tone, string] = isOver
    ? ["bad", t.over]
    : certificate.ends_soon
      ? ["warn", t.soon]
      : ["ok", t.valid];
  const moment = formatMoment(certificate.not_after_ms);
  return (
    <>
      <Badge tone={tone}>{word}</Badge>
      <span className="tabular text-muted">{isOver ? t.ended(moment) : t.ends(moment)}</span>
    </>
  );
}

function Edit({ name: given, onClose }: { name: string; onClose: () => void }) {
  const t = useMessages(messages);
  const client = useQueryClient();
  const [put, setPut] = useState<Put>({ name: given, certificate: "", key: "" });
  const save = useMutation({
    meta: { isShownInPlace: true },
    mutationFn: ({ name, ...body }: Put) => request(pathOf(name), { method: "PUT", body }),
    onSuccess: (_, { name }) => {
      showDone(textsOf(messages).saved(name));
      onClose();
      return client.invalidateQueries({ queryKey: certificatesQuery.queryKey });
    },
  });
  return (
    <Dialog title={given === "" ? t.add : `${t.replace}: ${given}`} isWide onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate(put);
        }}
      >
        {given === "" && (
          <Field label={t.name} hint={t.nameHint}>
            {(control) => (
              <Input
                {...control}
                required
                value={put.name}
                onChange={(event) => setPut({ ...put, name: event.currentTarget.value })}
              />
            )}
          </Field>
        )}
        <Field label={t.certificate}>
          {(control) => (
            <TextArea
              {...control}
              required
              rows={6}
              spellCheck={false}
              value={put.certificate}
              onChange={(event) => setPut({ ...put, certificate: event.currentTarget.value })}
            />
          )}
        </Field>
        <Field label={t.key} hint={t.keyHint}>
          {(control) => (
            <TextArea
              {...control}
              required
              rows={5}
              spellCheck={false}
              autoComplete="off"
              value={put.key}
              onChange={(event) => setPut({ ...put, key: event.currentTarget.value })}
            />
          )}
        </Field>
        {save.isError && <Failed error={save.error} onRetry={() => save.mutate(put)} />}
        <div className="flex justify-end">
          <Button tone="primary" type="submit" disabled={save.isPending}>
            {t.save}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
