import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import type { PlanView } from "@/api/openapi";
import { decide, PLANS_KEY, planQuery, type Verdict } from "@/api/plans";
import { FormError } from "@/components/form-error";
import { Sentence } from "@/components/sentence";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input } from "@/components/ui/field";
import { showDone } from "@/components/ui/toast-store";
import { textsOf, useMessages } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { messages } from "./messages";

const COMMENT_MAX = 600;

interface VerdictDialogProps {
  plan: PlanView;
  verdict: Verdict;
  onClose: () => void;
}

/** Say yes or no to a plan, and why. */
export function VerdictDialog({ plan, verdict, onClose }: VerdictDialogProps) {
  const t = useMessages(messages);
  const client = useQueryClient();
  const [comment, setComment] = useState("");
  const deciding = useMutation({
    mutationFn: () => decide(plan.id, verdict, comment.trim()),
    meta: { isShownInPlace: true },
    onSuccess: (decided) => {
      client.setQueryData(planQuery(plan.id).queryKey, decided);
      showDone(textsOf(messages).saids[verdict], serverWords(decided.outcome || plan.summary));
      onClose();
    },
    // Also when it was refused: a plan that is out of date has just been set aside.
    onSettled: () => client.invalidateQueries({ queryKey: PLANS_KEY }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    deciding.mutate();
  };
  return (
    <Dialog title={t.titles[verdict]} description={t.explained[verdict]} onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <p className="font-medium break-words">
          <Sentence text={plan.summary} />
        </p>
        <Field label={t.commentLabel} hint={t.commentHint}>
          {(control) => (
            <Input
              {...control}
              value={comment}
              maxLength={COMMENT_MAX}
              onInput={(event) => setComment(event.currentTarget.value)}
            />
          )}
        </Field>
        <FormError error={deciding.error} />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button
            type="submit"
            tone={verdict === "approve" ? "primary" : "danger"}
            disabled={deciding.isPending}
          >
            {t[verdict]}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
