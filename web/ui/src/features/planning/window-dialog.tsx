import { useState } from "react";
import { request } from "@/api/client";
import type { WindowBody } from "@/api/openapi";
import { errorOf, FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input, Select } from "@/components/ui/field";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { usePlanningChange } from "./planning-changes";
import { type Scope, ScopeFields } from "./scope-fields";

const FIELDS = ["id", "cron", "duration_s", "time_zone", "scope_name"];

const HOUR_S = 3_600;

/** A new change window. */
export default function WindowDialog({ onClose }: { onClose: () => void }) {
  const t = useMessages(messages);
  const [id, setId] = useState("");
  const [kind, setKind] = useState<WindowBody["kind"]>("allow");
  const [cron, setCron] = useState("");
  const [hours, setHours] = useState("2");
  const [zone, setZone] = useState(Intl.DateTimeFormat().resolvedOptions().timeZone);
  const [note, setNote] = useState("");
  const [scope, setScope] = useState<Scope>({ scope: "cluster", scope_name: "" });
  const put = usePlanningChange(
    (_: null) =>
      request(`/windows/${encodeURIComponent(id)}`, {
        method: "PUT",
        body: { kind, cron, duration_s: Math.round(Number(hours) * HOUR_S), time_zone: zone, note, ...scope },
      }),
    () => t.windowPut(id),
    { isShownInPlace: true, onDone: onClose },
  );
  const isReady = id !== "" && cron !== "" && Number(hours) > 0;
  return (
    <Dialog title={t.newWindow} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady) put.mutate(null);
        }}
      >
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={t.name} error={errorOf(put.error, "id")}>
            {(control) => (
              <Input {...control} value={id} required onInput={(event) => setId(event.currentTarget.value)} />
            )}
          </Field>
          <Field label={t.kind}>
            {(control) => (
              <Select
                {...control}
                value={kind}
                onChange={(event) => setKind(event.currentTarget.value as WindowBody["kind"])}
              >
                <option value="allow">{t.kinds.allow}</option>
                <option value="deny">{t.kinds.deny}</option>
              </Select>
            )}
          </Field>
        </div>
        <Field label={t.opensAt} hint={t.cronHint} error={errorOf(put.error, "cron")}>
          {(control) => (
            <Input
              {...control}
              value={cron}
              required
              placeholder="0 22 * * MON-FRI"
              className="font-mono"
              onInput={(event) => setCron(event.currentTarget.value)}
            />
          )}
        </Field>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label={t.hours} error={errorOf(put.error, "duration_s")}>
            {(control) => (
              <Input
                {...control}
                type="number"
                min={0.1}
                step={0.1}
                value={hours}
                onInput={(event) => setHours(event.currentTarget.value)}
              />
            )}
          </Field>
          <Field label={t.timeZone} error={errorOf(put.error, "time_zone")}>
            {(control) => (
              <Input {...control} value={zone} onInput={(event) => setZone(event.currentTarget.value)} />
            )}
          </Field>
        </div>
        <ScopeFields value={scope} error={put.error} onChange={setScope} />
        <Field label={t.note}>
          {(control) => (
            <Input {...control} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
          )}
        </Field>
        <FormError error={put.error} fields={FIELDS} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t.close}</Button>
          <Button type="submit" tone="primary" disabled={!isReady || put.isPending}>
            {t.save}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
