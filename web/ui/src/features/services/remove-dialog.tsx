import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { request } from "@/api/client";
import type { ServiceDetail } from "@/api/openapi";
import { rolloutsQuery, servicesQuery } from "@/api/queries";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input } from "@/components/ui/field";
import { showDone } from "@/components/ui/toast-store";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { pageMessages } from "./page-messages";

interface RemoveDialogProps {
  service: ServiceDetail;
  onClose: () => void;
  onRemoved: () => void;
}

/** Cannot be undone: the name is typed, so that it is not the neighbour's. */
export default function RemoveDialog({ service, onClose, onRemoved }: RemoveDialogProps) {
  const t = useMessages(pageMessages);
  const base = useMessages(messages);
  const client = useQueryClient();
  const [text, setText] = useState("");
  const removing = useMutation({
    mutationFn: () => request(`/services/${encodeURIComponent(service.id)}`, { method: "DELETE" }),
    onSuccess: () => {
      showDone(t.removed(service.id));
      onRemoved();
    },
    // Not the service itself: to ask for it once more may be to ask for what is gone.
    onSettled: () => {
      void client.invalidateQueries({ queryKey: rolloutsQuery.queryKey });
      return client.invalidateQueries({ queryKey: servicesQuery.queryKey });
    },
  });
  return (
    <Dialog
      title={t.removeTitle(service.id)}
      description={t.consequences.remove(service.assignments.length, service.routes.join(", "))}
      onClose={onClose}
    >
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (text === service.id) removing.mutate();
        }}
      >
        <Field label={t.consequences.removeType(service.id)}>
          {(control) => (
            <Input
              {...control}
              value={text}
              autoComplete="off"
              onInput={(event) => setText(event.currentTarget.value)}
            />
          )}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button type="submit" tone="danger" disabled={text !== service.id || removing.isPending}>
            {base.verbs.remove}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
