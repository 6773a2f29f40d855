import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { request } from "@/api/client";
import type { ServiceDetail, SplitView } from "@/api/openapi";
import { errorWords } from "@/api/problem";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { CheckBox, Field, Input, Select } from "@/components/ui/field";
import { showDone } from "@/components/ui/toast-store";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { pageMessages } from "./page-messages";
import { useRefresh } from "./service-actions";

interface TrafficDialogProps {
  service: ServiceDetail;
  split: SplitView;
  onClose: () => void;
}

/** Share the requests of a service by hand. */
export default function TrafficDialog({ service, split, onClose }: TrafficDialogProps) {
  const t = useMessages(pageMessages);
  const base = useMessages(messages);
  const refresh = useRefresh();
  const shares = split.shares.filter(({ replicas }) => replicas > 0);
  const [colour, setColour] = useState(shares[0]?.colour ?? "blue");
  const [text, setText] = useState(String((shares[0]?.permille ?? 0) / 10));
  const [isForced, setForced] = useState(false);
  const percent = Number(text);
  const isValid = text.trim() !== "" && percent >= 0 && percent <= 100;
  const switching = useMutation({
    mutationFn: () =>
      request<SplitView>(`/services/${encodeURIComponent(service.id)}/traffic`, {
        method: "POST",
        body: { colour, permille: Math.round(percent * 10), force: isForced },
      }),
    meta: { isShownInPlace: true },
    onSuccess: () => {
      showDone(t.trafficDone);
      onClose();
    },
    onSettled: refresh,
  });
  return (
    <Dialog title={t.trafficTitle(service.id)} description={t.trafficHint} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (isValid) switching.mutate();
        }}
      >
        <div className="grid grid-cols-[minmax(0,1fr)_7rem] gap-4">
          <Field label={t.serves}>
            {(control) => (
              <Select
                {...control}
                value={colour}
                onChange={(event) => setColour(event.currentTarget.value as typeof colour)}
              >
                {shares.map((share) => (
                  <option key={share.colour} value={share.colour}>
                    {t.trafficTo(base.colours[share.colour], share.revisions.join(", "))}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Field label={t.percent} error={switching.error === null ? undefined : errorWords(switching.error)}>
            {(control) => (
              <Input
                {...control}
                type="number"
                min={0}
                max={100}
                step={0.1}
                value={text}
                onInput={(event) => setText(event.currentTarget.value)}
              />
            )}
          </Field>
        </div>
        <CheckBox label={t.trafficForce} isOn={isForced} onChange={setForced} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button type="submit" tone="danger" disabled={!isValid || switching.isPending}>
            {t.apply}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
