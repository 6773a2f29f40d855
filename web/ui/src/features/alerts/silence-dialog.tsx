import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { endSilence, putSilence, rulesQuery, silencesQuery } from "@/api/alerts";
import type { AlertView, SilenceBody, SilenceView } from "@/api/openapi";
import { clusterQuery, openAlertsQuery, servicesQuery } from "@/api/queries";
import { FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input, Select } from "@/components/ui/field";
import { Segmented } from "@/components/ui/segmented";
import { showDone } from "@/components/ui/toast-store";
import { textsOf, useMessages } from "@/lib/i18n";
import { messages } from "./messages";

const LENGTHS = ["3600", "14400", "86400", "604800"] as const;
type Length = (typeof LENGTHS)[number];

interface SilenceDialogProps {
  /** Null: nothing in particular. */
  about: AlertView | null;
  onClose: () => void;
}

interface Scope {
  label: string;
  body: Partial<SilenceBody>;
}

/** Have nobody told of something for a while. */
export function SilenceDialog({ about, onClose }: SilenceDialogProps) {
  const t = useMessages(messages);
  const client = useQueryClient();
  const scopes = useScopes(about);
  const [scope, setScope] = useState(0);
  const [length, setLength] = useState<Length>("3600");
  const [why, setWhy] = useState("");
  const [isAsked, setAsked] = useState(false);
  const refresh = () => {
    void client.invalidateQueries({ queryKey: silencesQuery.queryKey });
    void client.invalidateQueries({ queryKey: openAlertsQuery.queryKey });
  };
  const end = useMutation({
    mutationFn: (silence: SilenceView) => endSilence(silence.id),
    onSettled: refresh,
  });
  const put = useMutation({
    mutationFn: putSilence,
    meta: { isShownInPlace: true },
    onSuccess: (silence) => {
      const words = textsOf(messages);
      showDone(words.silenced, silence.settings.comment, {
        label: words.undo,
        run: () => end.mutate(silence),
      });
      onClose();
    },
    onSettled: refresh,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    const chosen = scopes[scope];
    if (why.trim() === "" || chosen === undefined) return;
    put.mutate({ ...chosen.body, comment: why.trim(), for_s: Number(length) });
  };
  return (
    <Dialog title={t.silenceTitle} description={t.silenceNote} onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <Field label={t.what}>
          {(control) => (
            <Select
              {...control}
              value={String(scope)}
              onChange={(event) => setScope(Number(event.currentTarget.value))}
            >
              {scopes.map((each, place) => (
                <option key={each.label} value={String(place)}>
                  {each.label}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <div className="flex flex-col gap-1.5">
          <span className="text-sm font-medium">{t.howLong}</span>
          <Segmented
            label={t.howLong}
            value={length}
            onChange={setLength}
            options={LENGTHS.map((value) => ({ value, label: t.lengths[value] }))}
          />
        </div>
        <Field label={t.why} error={isAsked && why.trim() === "" ? t.whyNeeded : undefined}>
          {(control) => (
            <Input
              {...control}
              value={why}
              maxLength={256}
              onInput={(event) => setWhy(event.currentTarget.value)}
            />
          )}
        </Field>
        <FormError error={put.error} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button type="submit" tone="primary" disabled={put.isPending}>
            {t.silence}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** What can be silenced: around one alert, from itself outwards; otherwise whole hosts, services and rules. */
function useScopes(about: AlertView | null): Scope[] {
  const t = useMessages(messages);
  const nodes = useQuery(clusterQuery).data?.nodes ?? [];
  const services = useQuery(servicesQuery).data ?? [];
  const rules = useQuery({ ...rulesQuery, enabled: about === null }).data ?? [];
  const host = (name: string): Scope => ({ label: t.hostOn(name), body: { hosts: [name] } });
  const service = (id: string): Scope => ({ label: t.serviceOn(id), body: { services: [id] } });
  const rule = (id: string): Scope => ({ label: t.ruleOn(id), body: { rules: [id] } });
  if (about === null)
    return [
      ...nodes.map(({ name }) => host(name)),
      ...services.map(({ id }) => service(id)),
      ...rules.map(({ id }) => rule(id)),
    ];
  const { name, node_name, service_id } = about.subject;
  return [
    {
      label: t.justThis,
      body: {
        rules: [about.rule],
        ...(name !== "" ? { names: [name] } : {}),
        ...(node_name !== "" ? { hosts: [node_name] } : {}),
      },
    },
    ...(service_id !== "" ? [service(service_id)] : []),
    ...(node_name !== "" ? [host(node_name)] : []),
    rule(about.rule),
  ];
}
