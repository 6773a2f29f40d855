import { useQuery } from "@tanstack/react-query";
import { CircleCheck } from "lucide-react";
import { useRef, useState } from "react";
import { clusterQuery } from "@/api/queries";
import { CopyLine } from "@/components/copy-line";
import { FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input, Select } from "@/components/ui/field";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { useMakeJoinToken } from "./join-tokens";
import { messages } from "./messages";

const HOUR_S = 3_600;
const HOURS = [1, 8, 24, 168] as const;
const USES_MAX = 100;

/** Makes a join token, shows the command for the new host, and says when that has come. */
export default function AddHost({ onClose }: { onClose: () => void }) {
  const t = useMessages(messages);
  const make = useMakeJoinToken();
  const [isLearner, setLearner] = useState(false);
  const [uses, setUses] = useState(1);
  const [hours, setHours] = useState<number>(1);
  const { data: cluster } = useQuery(clusterQuery);
  const known = useRef(new Set(cluster?.nodes.map((node) => node.id)));
  const joined = cluster?.nodes.filter((node) => !known.current.has(node.id)) ?? [];
  if (make.data !== undefined) {
    const { token, expires_at_ms } = make.data;
    return (
      <Dialog title={t.runThis} description={t.once(formatMoment(expires_at_ms))} isWide onClose={onClose}>
        <CopyLine label={t.runThis} text={`tower join ${window.location.host} --token ${token}`} />
        <div role="status" className="mt-4 flex min-h-6 flex-col gap-1 text-sm">
          {joined.length === 0 ? (
            <p className="text-muted">{t.waiting}</p>
          ) : (
            joined.map((node) => (
              <p key={node.id} className="flex items-center gap-2 font-medium">
                <CircleCheck aria-hidden className="size-4 text-ok" />
                {t.joined(node.name)}
              </p>
            ))
          )}
        </div>
        <div className="mt-5 flex justify-end">
          <Button tone="primary" onClick={onClose}>
            {t.done}
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title={t.addTitle} description={t.addNote} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate({ learner: isLearner, uses, ttl_s: hours * HOUR_S });
        }}
      >
        <fieldset className="flex flex-col gap-2 text-sm">
          <legend className="mb-1.5 font-medium">{t.role}</legend>
          {[false, true].map((learner) => (
            <label key={String(learner)} className="flex items-start gap-2">
              <input
                type="radio"
                name="role"
                checked={isLearner === learner}
                onChange={() => setLearner(learner)}
                className="mt-0.5 size-4 shrink-0 accent-(--accent)"
              />
              {learner ? t.learner : t.voter}
            </label>
          ))}
        </fieldset>
        <div className="grid grid-cols-2 gap-4">
          <Field label={t.uses}>
            {(control) => (
              <Input
                {...control}
                type="number"
                min={1}
                max={USES_MAX}
                required
                value={uses}
                onChange={(event) => setUses(event.currentTarget.valueAsNumber || 1)}
              />
            )}
          </Field>
          <Field label={t.hours}>
            {(control) => (
              <Select
                {...control}
                value={hours}
                onChange={(event) => setHours(Number(event.currentTarget.value))}
              >
                {HOURS.map((each) => (
                  <option key={each} value={each}>
                    {t.hoursOf(each)}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        </div>
        <FormError error={make.error} />
        <div className="flex justify-end">
          <Button tone="primary" type="submit" disabled={make.isPending}>
            {t.make}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
