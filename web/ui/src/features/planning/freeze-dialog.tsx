import { useState } from "react";
import { request } from "@/api/client";
import { errorOf, FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input } from "@/components/ui/field";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { usePlanningChange } from "./planning-changes";
import { type Scope, ScopeFields } from "./scope-fields";

const FIELDS = ["reason", "until_ms", "scope_name"];

/** Have nothing changed for a while. */
export default function FreezeDialog({ onClose }: { onClose: () => void }) {
  const t = useMessages(messages);
  const [reason, setReason] = useState("");
  const [until, setUntil] = useState("");
  const [scope, setScope] = useState<Scope>({ scope: "cluster", scope_name: "" });
  const begin = usePlanningChange(
    (_: null) =>
      request("/freezes", {
        method: "POST",
        body: { reason, until_ms: until === "" ? null : new Date(until).getTime(), ...scope },
      }),
    () => t.frozen,
    { isShownInPlace: true, onDone: onClose },
  );
  return (
    <Dialog title={t.freezeTitle} description={t.freezeWords} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (reason !== "") begin.mutate(null);
        }}
      >
        <Field label={t.reason} error={errorOf(begin.error, "reason")}>
          {(control) => (
            <Input
              {...control}
              value={reason}
              required
              onInput={(event) => setReason(event.currentTarget.value)}
            />
          )}
        </Field>
        <Field label={t.untilField} hint={t.untilHint} error={errorOf(begin.error, "until_ms")}>
          {(control) => (
            <Input
              {...control}
              type="datetime-local"
              value={until}
              onInput={(event) => setUntil(event.currentTarget.value)}
            />
          )}
        </Field>
        <ScopeFields value={scope} error={begin.error} onChange={setScope} />
        <FormError error={begin.error} fields={FIELDS} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t.close}</Button>
          <Button type="submit" tone="primary" disabled={reason === "" || begin.isPending}>
            {t.freeze}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
