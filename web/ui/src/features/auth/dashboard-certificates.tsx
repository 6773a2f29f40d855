import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { BadgeCheck, Plus } from "lucide-react";
import { type FormEvent, useState } from "react";
import { request } from "@/api/client";
import type { WebCertificatePage, WebCertificateView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { errorOf, FormError } from "@/components/form-error";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Badge, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { Field, TextArea } from "@/components/ui/field";
import { Card, Section } from "@/components/ui/section";
import { showDone } from "@/components/ui/toast-store";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./dashboard-certificate-messages";
import { FocusedInput } from "./focused-input";

const certificatesQuery = queryOptions({
  queryKey: ["web-certificates"],
  queryFn: async ({ signal }) => (await request<WebCertificatePage>("/web-certificates", { signal })).items,
});

const pathOf = (name: string) => `/web-certificates/${encodeURIComponent(name)}`;

const TONES: Readonly<Record<string, Tone>> = { serving: "ok", soon: "warn", ended: "bad" };

/** What the dashboard itself is served with: which names, until when, and new ones. */
export function DashboardCertificates() {
  const t = useMessages(messages);
  const client = useQueryClient();
  const can = useCan();
  const query = useQuery(certificatesQuery);
  const [edited, setEdited] = useState<string | null>(null);
  const [asked, setAsked] = useState<WebCertificateView | null>(null);
  const mayPut = can("certificate.serve-dashboard");
  const remove = useMutation({
    mutationFn: (name: string) => request(pathOf(name), { method: "DELETE" }),
    onSuccess: (_, name) => showDone(t.removed(name)),
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
                    <Badge tone={TONES[each.state] ?? "neutral"}>
                      {t.states[each.state as keyof typeof t.states] ?? each.state}
                    </Badge>
                    <span className="tabular text-muted">
                      {each.state === "ended"
                        ? t.ended(formatMoment(each.not_after_ms))
                        : t.ends(formatMoment(each.not_after_ms))}
                    </span>
                    <span className="ml-auto flex gap-2">
                      {mayPut && <Button onClick={() => setEdited(each.name)}>{t.replace}</Button>}
                      {can("certificate.stop-serving-dashboard") && (
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
      {edited !== null && <Upload name={edited} onClose={() => setEdited(null)} />}
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

interface Sent {
  name: string;
  certificate: string;
  key: string;
}

function Upload({ name: given, onClose }: { name: string; onClose: () => void }) {
  const t = useMessages(messages);
  const client = useQueryClient();
  const save = useMutation({
    mutationFn: ({ name, ...body }: Sent) => request(pathOf(name), { method: "PUT", body }),
    meta: { isShownInPlace: true },
    onSuccess: (_, { name }) => {
      showDone(t.saved(name));
      onClose();
      return client.invalidateQueries({ queryKey: certificatesQuery.queryKey });
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const text = (name: string) => String(fields.get(name) ?? "").trim();
    save.mutate({ name: given || text("name"), certificate: text("certificate"), key: text("key") });
  };
  const isInPlace = ["name", "certificate", "key"].some((each) => errorOf(save.error, each) !== undefined);
  return (
    <Dialog title={given === "" ? t.add : `${t.replace}: ${given}`} isWide onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        {!isInPlace && <FormError error={save.error} />}
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
            {save.isPending ? t.saving : t.save}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
