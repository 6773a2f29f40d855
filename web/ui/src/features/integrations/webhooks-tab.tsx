import { useQuery } from "@tanstack/react-query";
import { Plus, Webhook } from "lucide-react";
import { useState } from "react";
import type { Severity, WebhookAuth, WebhookPutView, WebhookView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Ago } from "@/components/ago";
import { CopyLine } from "@/components/copy-line";
import { Loaded } from "@/components/loaded";
import { RowMenu } from "@/components/row-menu";
import { Sentence } from "@/components/sentence";
import { Empty, Loading } from "@/components/states";
import { Badge, Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { CheckBox } from "@/components/ui/field";
import { Card, Section } from "@/components/ui/section";
import { Sheet } from "@/components/ui/sheet";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { messages } from "./messages";
import { ChoiceField, FormWindow, TextField, useDraft } from "./receiver-form";
import {
  deliveriesQuery,
  patternsOf,
  usePing,
  usePut,
  useRemove,
  useReplay,
  useRotate,
  webhooksQuery,
} from "./receivers";

const AUTHS: readonly WebhookAuth[] = ["hmac", "bearer", "basic", "none"];
const SEVERITIES: readonly Severity[] = ["info", "warning", "critical"];

type Asked =
  | { what: "edit" | "remove" | "rotate" | "deliveries"; webhook: WebhookView }
  | { what: "add" }
  | null;

/** Who is told of what happens, whether it arrives, and what did not. */
export function WebhooksTab() {
  const t = useMessages(messages);
  const can = useCan();
  const query = useQuery(webhooksQuery);
  const [asked, setAsked] = useState<Asked>(null);
  const [secret, setSecret] = useState<string | null>(null);
  const remove = useRemove();
  const rotate = useRotate();
  const close = () => setAsked(null);
  return (
    <Section
      title={t.tabs.webhooks}
      actions={
        can("webhook.put") && (
          <Button tone="primary" onClick={() => setAsked({ what: "add" })}>
            <Plus aria-hidden className="size-3.5" />
            {t.addWebhook}
          </Button>
        )
      }
    >
      <Card>
        <Loaded query={query} loading={<Loading label={t.loadingWebhooks} />}>
          {(webhooks) =>
            webhooks.length === 0 ? (
              <Empty icon={<Webhook className="size-5" />} title={t.noWebhooks}>
                {t.noWebhooksNote}
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {webhooks.map((webhook) => (
                  <Line key={webhook.id} webhook={webhook} onAsk={(what) => setAsked({ what, webhook })} />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      {(asked?.what === "add" || asked?.what === "edit") && (
        <WebhookForm
          known={asked.what === "edit" ? asked.webhook : null}
          onClose={close}
          onSecret={setSecret}
        />
      )}
      {asked?.what === "remove" && (
        <Confirm
          title={t.removeTitle(asked.webhook.id)}
          verb={t.remove}
          isDangerous
          isPending={remove.isPending}
          onCancel={close}
          onConfirm={() => remove.mutate({ kind: "webhooks", name: asked.webhook.id }, { onSettled: close })}
        >
          <p>{t.removeWebhookNote}</p>
        </Confirm>
      )}
      {asked?.what === "rotate" && (
        <Confirm
          title={t.rotateTitle(asked.webhook.id)}
          verb={t.rotate}
          isDangerous={false}
          isPending={rotate.isPending}
          onCancel={close}
          onConfirm={() =>
            rotate.mutate(asked.webhook.id, {
              onSuccess: (answer) => setSecret(answer.secret),
              onSettled: close,
            })
          }
        >
          <p>{t.rotateNote}</p>
        </Confirm>
      )}
      {asked?.what === "deliveries" && <Deliveries webhook={asked.webhook} onClose={close} />}
      {secret !== null && (
        <Dialog title={t.secretOnce} onClose={() => setSecret(null)}>
          <CopyLine label={t.secretOnce} text={secret} />
        </Dialog>
      )}
    </Section>
  );
}

function Line({
  webhook,
  onAsk,
}: {
  webhook: WebhookView;
  onAsk: (what: "edit" | "remove" | "rotate" | "deliveries") => void;
}) {
  const t = useMessages(messages);
  const can = useCan();
  const ping = usePing();
  const replay = useReplay();
  return (
    <li className="flex items-start gap-3 px-4 py-3 text-sm">
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <span className="font-medium">{webhook.id}</span>
          <State webhook={webhook} />
          {webhook.events.map((event) => (
            <Badge key={event}>{event}</Badge>
          ))}
        </p>
        <p className="mt-0.5 break-all text-muted">{webhook.url}</p>
        <p className="tabular mt-0.5 flex flex-wrap gap-x-3 text-xs text-muted">
          <span>{t.delivered(webhook.delivered)}</span>
          {webhook.waiting > 0 && <span>{t.waiting(webhook.waiting)}</span>}
          {webhook.dead > 0 && <span className="text-bad">{t.dead(webhook.dead)}</span>}
          {webhook.last_delivered_at_ms !== null && <Ago atMs={webhook.last_delivered_at_ms} say={t.last} />}
        </p>
      </div>
      <RowMenu
        name={webhook.id}
        groups={[
          [
            { key: "deliveries", label: t.deliveries, onSelect: () => onAsk("deliveries") },
            ...(can("webhook.ping")
              ? [{ key: "ping", label: t.ping, onSelect: () => ping.mutate(webhook.id) }]
              : []),
            ...(can("webhook.replay") && webhook.dead > 0
              ? [{ key: "replay", label: t.replay, onSelect: () => replay.mutate(webhook.id) }]
              : []),
          ],
          can("webhook.put")
            ? [
                { key: "edit", label: t.edit, onSelect: () => onAsk("edit") },
                ...(webhook.auth === "hmac"
                  ? [{ key: "rotate", label: t.rotate, onSelect: () => onAsk("rotate") }]
                  : []),
              ]
            : [],
          can("webhook.remove")
            ? [{ key: "remove", label: t.remove, isDangerous: true, onSelect: () => onAsk("remove") }]
            : [],
        ]}
      />
    </li>
  );
}

function State({ webhook }: { webhook: WebhookView }) {
  const t = useMessages(messages);
  if (!webhook.is_enabled) return <Status tone="neutral">{webhook.disabled_because || t.isOff}</Status>;
  if (webhook.failing_since_ms !== null)
    return <Status tone="bad">{t.failing(formatMoment(webhook.failing_since_ms))}</Status>;
  return webhook.delivered === 0 ? (
    <Status tone="neutral">{t.unused}</Status>
  ) : (
    <Status tone="ok">{t.working}</Status>
  );
}

function WebhookForm({
  known,
  onClose,
  onSecret,
}: {
  known: WebhookView | null;
  onClose: () => void;
  onSecret: (secret: string) => void;
}) {
  const t = useMessages(messages);
  const put = usePut();
  const [draft, change] = useDraft({
    name: known?.id ?? "",
    // The address may hold a secret of its own, and is shown without it: it has to be given again.
    url: "",
    events: known?.events.join(", ") ?? "alert:*, rollout:*, node:*",
    auth: known?.auth ?? ("hmac" as WebhookAuth),
    username: known?.username ?? "",
    secret: "",
    severity: known?.min_severity ?? ("info" as Severity),
    isEnabled: known?.is_enabled ?? true,
  });
  const submit = () =>
    put.mutate(
      {
        kind: "webhooks",
        name: draft.name,
        body: {
          url: draft.url,
          events: patternsOf(draft.events),
          auth: draft.auth,
          username: draft.auth === "basic" ? draft.username : "",
          secret: draft.secret === "" ? null : draft.secret,
          min_severity: draft.severity,
          is_enabled: draft.isEnabled,
          ...(known === null
            ? {}
            : {
                attempts: known.attempts,
                backoff: known.backoff,
                base_s: known.base_ms / 1_000,
                max_s: known.max_ms / 1_000,
                timeout_s: known.timeout_ms / 1_000,
                is_ordered: known.is_ordered,
              }),
        },
      },
      {
        onSuccess: (answer) => {
          onClose();
          const { secret } = answer as WebhookPutView;
          if (secret !== null) onSecret(secret);
        },
      },
    );
  return (
    <FormWindow
      title={known === null ? t.addWebhook : t.editWebhook(known.id)}
      note={t.privateNote}
      error={put.error}
      isPending={put.isPending}
      onSubmit={submit}
      onClose={onClose}
    >
      {known === null && (
        <TextField
          label={t.name}
          hint={t.nameHint}
          isRequired
          value={draft.name}
          onChange={(name) => change({ name })}
        />
      )}
      <TextField
        label={t.url}
        type="url"
        isRequired
        {...(known === null ? {} : { hint: known.url })}
        value={draft.url}
        onChange={(url) => change({ url })}
      />
      <TextField
        label={t.events}
        hint={t.eventsHint}
        isRequired
        value={draft.events}
        onChange={(events) => change({ events })}
      />
      <ChoiceField
        label={t.severity}
        value={draft.severity}
        choices={SEVERITIES}
        words={(choice) => t.severities[choice]}
        onChange={(severity) => change({ severity })}
      />
      <ChoiceField
        label={t.auth}
        value={draft.auth}
        choices={AUTHS}
        words={(choice) => t.auths[choice]}
        onChange={(auth) => change({ auth })}
      />
      {draft.auth === "basic" && (
        <TextField
          label={t.username}
          isRequired
          value={draft.username}
          onChange={(username) => change({ username })}
        />
      )}
      {draft.auth !== "none" && (
        <TextField
          label={t.secret}
          type="password"
          hint={known !== null ? t.secretKept : draft.auth === "hmac" ? t.secretMade : ""}
          isRequired={known === null && draft.auth !== "hmac"}
          value={draft.secret}
          onChange={(secret) => change({ secret })}
        />
      )}
      <CheckBox label={t.enabled} isOn={draft.isEnabled} onChange={(isEnabled) => change({ isEnabled })} />
    </FormWindow>
  );
}

const TONES = { waiting: "accent", delivered: "ok", dead: "bad" } as const;

function Deliveries({ webhook, onClose }: { webhook: WebhookView; onClose: () => void }) {
  const t = useMessages(messages);
  const query = useQuery(deliveriesQuery(webhook.id));
  return (
    <Sheet title={t.deliveriesOf(webhook.id)} description={webhook.url} onClose={onClose}>
      <div className="min-h-0 flex-1 overflow-y-auto">
        <Loaded query={query} loading={<Loading label={t.loadingDeliveries} rows={6} />}>
          {(deliveries) =>
            deliveries.length === 0 ? (
              <Empty icon={<Webhook className="size-5" />} title={t.noDeliveries}>
                {t.noDeliveriesNote}
              </Empty>
            ) : (
              <ul className="divide-y divide-line text-sm">
                {deliveries.map((delivery) => {
                  const last = delivery.log.at(-1);
                  return (
                    <li key={delivery.event_id} className="px-4 py-2.5">
                      <p className="flex flex-wrap items-center gap-x-3">
                        <Status tone={TONES[delivery.state]}>{t.states[delivery.state]}</Status>
                        <code className="font-mono text-xs">{delivery.kind}</code>
                        <span className="tabular ml-auto text-xs text-muted">
                          {t.attempts(delivery.attempts)}, <Ago atMs={delivery.changed_at_ms} />
                        </span>
                      </p>
                      <p className="break-words">
                        <Sentence text={delivery.summary} />
                      </p>
                      {last !== undefined && (
                        <p className="text-xs break-words text-muted">
                          {[last.status, serverWords(last.detail)].filter(Boolean).join(" · ")}
                        </p>
                      )}
                    </li>
                  );
                })}
              </ul>
            )
          }
        </Loaded>
      </div>
    </Sheet>
  );
}
