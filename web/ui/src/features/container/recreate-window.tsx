import * as Dialog from "@radix-ui/react-dialog";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Check, CircleAlert, LoaderCircle } from "lucide-react";
import { type ReactNode, useRef, useState } from "react";
import type { RecreationPlan } from "@/api/openapi";
import { ApiError } from "@/api/problem";
import { containersQuery } from "@/api/queries";
import { Hints } from "@/components/form-error";
import { Sentence } from "@/components/sentence";
import { Button } from "@/components/ui/button";
import { leaveFocus, useInertPage } from "@/components/ui/modal";
import { showDone } from "@/components/ui/toast-store";
import { useMessages } from "@/lib/i18n";
import { type Planned, recreate, type Step } from "./recreate";
import { messages } from "./settings-messages";

interface RecreateWindowProps {
  planned: Planned;
  onClose: () => void;
}

/** What making it anew will do, and then how far it is. */
export default function RecreateWindow({
  planned: { container, plan, changes },
  onClose,
}: RecreateWindowProps) {
  useInertPage();
  const t = useMessages(messages);
  const client = useQueryClient();
  const navigate = useNavigate();
  const first = useRef<HTMLButtonElement>(null);
  const [steps, setSteps] = useState<readonly Step[]>([]);
  const doing = useMutation({
    mutationFn: () => recreate(container, plan, changes, (step) => setSteps((before) => [...before, step])),
    onSuccess: async (id) => {
      showDone(t.ready(plan.name));
      await client.invalidateQueries({ queryKey: containersQuery.queryKey });
      onClose();
      void navigate({
        to: "/containers/$node/$container",
        params: { node: container.node_id, container: id },
        search: { tab: "settings" },
        replace: true,
      });
    },
    meta: { isShownInPlace: true },
    onError: () => void client.invalidateQueries({ queryKey: containersQuery.queryKey }),
  });
  return (
    <Dialog.Root open onOpenChange={(open) => !open && !doing.isPending && onClose()}>
      <Dialog.Portal>
        <div aria-hidden className="animate-appear fixed inset-0 z-40 bg-black/40" />
        <Dialog.Content
          role="alertdialog"
          aria-describedby={undefined}
          onCloseAutoFocus={leaveFocus}
          onOpenAutoFocus={(event) => {
            event.preventDefault();
            first.current?.focus();
          }}
          className="animate-appear fixed top-1/2 left-1/2 z-40 flex max-h-[calc(100dvh-2rem)] w-[calc(100%-2rem)] max-w-2xl -translate-x-1/2 -translate-y-1/2 flex-col rounded-xl border border-line bg-raised shadow-float outline-none"
        >
          <Dialog.Title className="px-5 pt-5 text-base font-semibold">
            {doing.isIdle ? t.planTitle(plan.name) : t.progress(plan.name)}
          </Dialog.Title>
          <div className="flex min-h-0 flex-1 flex-col gap-4 overflow-y-auto px-5 py-3 text-sm">
            {steps.length > 0 || doing.isPending || doing.isError ? (
              <Progress steps={steps} error={doing.error} />
            ) : (
              <Plan plan={plan} />
            )}
          </div>
          <div className="flex flex-wrap items-center justify-end gap-2 border-t border-line px-5 py-3">
            {doing.isPending && <span className="mr-auto text-xs text-muted">{t.keepOpen}</span>}
            {!doing.isPending && (
              <Button ref={first} onClick={onClose}>
                {doing.isIdle ? t.cancel : t.close}
              </Button>
            )}
            {doing.isIdle && plan.refusal === "" && (
              <Button tone="danger" onClick={() => doing.mutate()}>
                {t.doIt}
              </Button>
            )}
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Plan({ plan }: { plan: RecreationPlan }) {
  const t = useMessages(messages);
  return (
    <>
      {plan.refusal !== "" && (
        <p role="alert" className="flex items-start gap-2 text-bad">
          <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
          <span>
            {t.cannot}: <Sentence text={plan.refusal} />
          </span>
        </p>
      )}
      <Part title={t.changes}>
        {plan.differences.length === 0 ? (
          <p className="text-muted">{t.noChanges}</p>
        ) : (
          <ul className="flex flex-col gap-1">
            {plan.differences.map((each) => (
              <li key={each.field} className="break-words">
                <span className="font-medium">
                  <Sentence text={each.field} isCapital />
                </span>{" "}
                <span className="text-muted">{t.before(each.before)} →</span> {t.before(each.after)}
              </li>
            ))}
          </ul>
        )}
      </Part>
      <Listed title={t.lost} items={plan.lost} />
      <Listed title={t.notes} items={plan.notes} />
      <Part title={t.downtime}>
        <p>
          <Sentence text={plan.downtime} isCapital />
        </p>
      </Part>
      <Part title={t.steps}>
        <ol className="list-decimal pl-5 text-muted">
          {plan.steps.map((step) => (
            <li key={step}>
              <Sentence text={step} isCapital />
            </li>
          ))}
        </ol>
      </Part>
    </>
  );
}

function Listed({ title, items }: { title: string; items: readonly string[] }) {
  if (items.length === 0) return null;
  return (
    <Part title={title}>
      <ul className="list-disc pl-5">
        {items.map((item) => (
          <li key={item} className="break-words">
            <Sentence text={item} isCapital />
          </li>
        ))}
      </ul>
    </Part>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div>
      <h3 className="mb-1 font-medium">{title}</h3>
      {children}
    </div>
  );
}

function Progress({ steps, error }: { steps: readonly Step[]; error: Error | null }) {
  const t = useMessages(messages);
  return (
    <>
      <ol aria-live="polite" className="flex flex-col gap-1.5">
        {steps.map((step, place) => {
          const isLast = place === steps.length - 1;
          const isDone = !isLast || step.stage === "done";
          return (
            <li key={step.stage} className="flex items-start gap-2">
              {isDone ? (
                <Check aria-hidden className="mt-0.5 size-4 shrink-0 text-ok" />
              ) : error === null ? (
                <LoaderCircle
                  aria-hidden
                  className="mt-0.5 size-4 shrink-0 animate-spin text-accent motion-reduce:animate-none"
                />
              ) : (
                <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
              )}
              <span>
                {t.stages[step.stage]}
                {step.stage === "restoring" && step.text !== "" && (
                  <span className="block break-words text-muted">
                    <Sentence text={step.text} />
                  </span>
                )}
              </span>
            </li>
          );
        })}
      </ol>
      {steps.length === 0 && error === null && <p className="text-muted">{t.begins}</p>}
      {error !== null && (
        <div role="alert">
          <p className="font-medium text-bad">{t.failed}</p>
          <p className="break-words">
            <Sentence text={error.message} />
          </p>
          {error instanceof ApiError && <Hints error={error} />}
        </div>
      )}
    </>
  );
}
