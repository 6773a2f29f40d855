import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { request } from "@/api/client";
import type { ServiceChanged, ServiceView } from "@/api/openapi";
import { errorWords } from "@/api/problem";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { CheckBox, Field, Input } from "@/components/ui/field";
import { showDone } from "@/components/ui/toast-store";
import { useMessages } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { messages } from "./messages";
import { pageMessages } from "./page-messages";
import { useRefresh } from "./service-actions";

const REPLICAS_MAX = 1_000;

/** How many replicas a service has. What stands against it is said in its place. */
export default function ScaleDialog({ service, onClose }: { service: ServiceView; onClose: () => void }) {
  const t = useMessages(pageMessages);
  const base = useMessages(messages);
  const refresh = useRefresh();
  const [text, setText] = useState(String(service.replicas_wanted));
  const [overrides, setOverrides] = useState(false);
  const replicas = Number(text);
  const isValid = /^\d+$/.test(text) && replicas <= REPLICAS_MAX;
  const scaling = useMutation({
    mutationFn: () =>
      request<ServiceChanged>(`/services/${encodeURIComponent(service.id)}/scale`, {
        method: "POST",
        body: { replicas, override: overrides },
      }),
    meta: { isShownInPlace: true },
    onSuccess: (answer) => {
      showDone(`${base.done.scale}: ${service.id}`, serverWords(answer.done));
      onClose();
    },
    onSettled: refresh,
  });
  return (
    <Dialog
      title={t.scaleTitle(service.id)}
      description={t.scaleNow(service.replicas_wanted)}
      onClose={onClose}
    >
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (isValid) scaling.mutate();
        }}
      >
        <Field label={t.scaleReplicas} error={scaling.error === null ? undefined : errorWords(scaling.error)}>
          {(control) => (
            <Input
              {...control}
              type="number"
              min={0}
              max={REPLICAS_MAX}
              inputMode="numeric"
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
              className="w-28"
            />
          )}
        </Field>
        {scaling.isError && (
          <CheckBox
            label={t.scaleOverride}
            hint={t.scaleOverrideHint}
            isOn={overrides}
            onChange={setOverrides}
          />
        )}
        {isValid && replicas === 0 && <p className="text-sm text-warn">{t.scaleZero}</p>}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button
            type="submit"
            tone={replicas === 0 ? "danger" : "primary"}
            disabled={!isValid || scaling.isPending || replicas === service.replicas_wanted}
          >
            {base.verbs.scale}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
