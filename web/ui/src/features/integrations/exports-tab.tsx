import { useQuery } from "@tanstack/react-query";
import { Plus, Send } from "lucide-react";
import { useState } from "react";
import type { ExportAuth, ExportKind, ExportView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Ago } from "@/components/ago";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Empty, Loading } from "@/components/states";
import { Badge, Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { CheckBox } from "@/components/ui/field";
import { Card, Section } from "@/components/ui/section";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { ChoiceField, FormWindow, TextField, useDraft } from "./receiver-form";
import { exportsQuery, usePut, useRemove } from "./receivers";

const KINDS: readonly ExportKind[] = ["prometheus", "influxdb"];
const AUTHS: readonly ExportAuth[] = ["none", "bearer", "basic", "token"];
const PASTS_D = ["0", "1", "7", "30", "365"] as const;
const DAY_S = 86_400;

/** Where the history of metrics is sent as well. */
export function ExportsTab() {
  const t = useMessages(messages);
  const can = useCan();
  const query = useQuery(exportsQuery);
  const [edited, setEdited] = useState<ExportView | "new" | null>(null);
  const [gone, setGone] = useState<ExportView | null>(null);
  const remove = useRemove();
  return (
    <Section
      title={t.tabs.exports}
      actions={
        can("export.put") && (
          <Button tone="primary" onClick={() => setEdited("new")}>
            <Plus aria-hidden className="size-3.5" />
            {t.addExport}
          </Button>
        )
      }
    >
      <Card>
        <Loaded query={query} loading={<Loading label={t.loadingExports} />}>
          {(exports) =>
            exports.length === 0 ? (
              <Empty icon={<Send className="size-5" />} title={t.noExports}>
                {t.noExportsNote}
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {exports.map((each) => (
                  <li key={each.id} className="flex flex-wrap items-start gap-3 px-4 py-3 text-sm">
                    <Line export={each} />
                    {can("export.put") && <Button onClick={() => setEdited(each)}>{t.edit}</Button>}
                    {can("export.remove") && <Button onClick={() => setGone(each)}>{t.remove}</Button>}
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      {edited !== null && (
        <ExportForm known={edited === "new" ? null : edited} onClose={() => setEdited(null)} />
      )}
      {gone !== null && (
        <Confirm
          title={t.removeTitle(gone.id)}
          verb={t.remove}
          isDangerous
          isPending={remove.isPending}
          onCancel={() => setGone(null)}
          onConfirm={() =>
            remove.mutate({ kind: "exports", name: gone.id }, { onSettled: () => setGone(null) })
          }
        >
          <p>{t.removeExportNote}</p>
        </Confirm>
      )}
    </Section>
  );
}

function Line({ export: each }: { export: ExportView }) {
  const t = useMessages(messages);
  return (
    <div className="min-w-0 flex-1">
      <p className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="font-medium">{each.id}</span>
        {!each.is_enabled ? (
          <Status tone="neutral">{t.isOff}</Status>
        ) : each.failing_since_ms !== null ? (
          <Status tone="bad">{t.failing(formatMoment(each.failing_since_ms))}</Status>
        ) : (
          <Status tone={each.sent > 0 ? "ok" : "neutral"}>{each.sent > 0 ? t.working : t.unused}</Status>
        )}
        <Badge>{t.kinds[each.kind]}</Badge>
      </p>
      <p className="mt-0.5 break-all text-muted">{each.url}</p>
      {each.detail !== "" && (
        <p className="text-xs break-words text-muted">
          <Sentence text={each.detail} />
        </p>
      )}
      <p className="tabular mt-0.5 flex flex-wrap gap-x-3 text-xs text-muted">
        <span>{t.sent(each.sent)}</span>
        {each.waiting > 0 && <span>{t.waiting(each.waiting)}</span>}
        {each.last_sent_ms !== null && <Ago atMs={each.last_sent_ms} say={t.last} />}
      </p>
    </div>
  );
}

function ExportForm({ known, onClose }: { known: ExportView | null; onClose: () => void }) {
  const t = useMessages(messages);
  const put = usePut();
  const [draft, change] = useDraft({
    name: known?.id ?? "",
    kind: known?.kind ?? ("prometheus" as ExportKind),
    url: "",
    auth: known?.auth ?? ("none" as ExportAuth),
    username: known?.username ?? "",
    secret: "",
    back: "0" as (typeof PASTS_D)[number],
    isEnabled: known?.is_enabled ?? true,
  });
  const submit = () =>
    put.mutate(
      {
        kind: "exports",
        name: draft.name,
        body: {
          kind: draft.kind,
          url: draft.url,
          auth: draft.auth,
          username: draft.auth === "basic" ? draft.username : "",
          secret: draft.secret === "" ? null : draft.secret,
          back_s: Number(draft.back) * DAY_S,
          is_enabled: draft.isEnabled,
        },
      },
      { onSuccess: onClose },
    );
  return (
    <FormWindow
      title={known === null ? t.addExport : known.id}
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
      <ChoiceField
        label={t.kind}
        value={draft.kind}
        choices={KINDS}
        words={(choice) => t.kinds[choice]}
        onChange={(kind) => change({ kind })}
      />
      <TextField
        label={t.url}
        type="url"
        isRequired
        {...(known === null ? {} : { hint: known.url })}
        value={draft.url}
        onChange={(url) => change({ url })}
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
          {...(known === null ? {} : { hint: t.secretKept })}
          isRequired={known === null}
          value={draft.secret}
          onChange={(secret) => change({ secret })}
        />
      )}
      {known === null && (
        <ChoiceField
          label={t.back}
          value={draft.back}
          choices={PASTS_D}
          words={(choice) => t.backDays(Number(choice))}
          onChange={(back) => change({ back })}
        />
      )}
      <CheckBox label={t.enabled} isOn={draft.isEnabled} onChange={(isEnabled) => change({ isEnabled })} />
    </FormWindow>
  );
}
