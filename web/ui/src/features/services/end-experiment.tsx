import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { request } from "@/api/client";
import type { ExperimentView } from "@/api/openapi";
import { FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input } from "@/components/ui/field";
import { showDone } from "@/components/ui/toast-store";
import { useMessages } from "@/lib/i18n";
import { experimentMessages } from "./experiment-messages";
import { pageMessages } from "./page-messages";
import { useRefresh } from "./service-actions";

interface EndExperimentProps {
  experiment: ExperimentView;
  keep: "a" | "b";
  onClose: () => void;
}

/** Asks before an experiment ends: which variant gets every request then, and why. */
export default function EndExperiment({ experiment, keep, onClose }: EndExperimentProps) {
  const t = useMessages(experimentMessages);
  const page = useMessages(pageMessages);
  const refresh = useRefresh();
  const [reason, setReason] = useState("");
  const ending = useMutation({
    meta: { isShownInPlace: true },
    mutationFn: () =>
      request(`/services/${encodeURIComponent(experiment.service_id)}/experiment/end`, {
        method: "POST",
        body: { keep, reason },
      }),
    onSuccess: () => {
      showDone(t.ended(keep));
      onClose();
    },
    onSettled: refresh,
  });
  return (
    <Dialog
      title={t.endTitle(keep)}
      description={page.keepWords(keep, experiment[keep].revision)}
      onClose={onClose}
    >
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          ending.mutate();
        }}
      >
        <Field label={t.reason}>
          {(control) => (
            <Input
              {...control}
              value={reason}
              maxLength={512}
              autoComplete="off"
              onInput={(event) => setReason(event.currentTarget.value)}
            />
          )}
        </Field>
        <FormError error={ending.error} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button type="submit" tone="danger" disabled={ending.isPending}>
            {t.endVerb}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
