import { CircleCheck, TriangleAlert, X } from "lucide-react";
import { Fragment, useEffect } from "react";
import { Sentence } from "@/components/sentence";
import { useMessages } from "@/lib/i18n";
import { Button } from "./button";
import { messages } from "./messages";
import { dismiss, hold, release, useToasts } from "./toast-store";

/** Notices about what was done, in the corner; read out by screen readers. */
export function Toaster() {
  const toasts = useToasts();
  const t = useMessages(messages);
  const isEmpty = toasts.length === 0;
  // What is pointed at may be gone without a leaving.
  useEffect(() => {
    if (isEmpty) release();
  }, [isEmpty]);
  return (
    <section
      aria-label={t.notices}
      aria-live="polite"
      onPointerEnter={hold}
      onPointerLeave={release}
      onFocus={hold}
      onBlur={release}
      className="pointer-events-none fixed inset-x-0 bottom-0 z-50 flex flex-col items-end gap-2 p-4"
    >
      {toasts.map((toast) => (
        <div
          key={toast.id}
          className="animate-appear pointer-events-auto flex w-full max-w-sm items-start gap-2.5 rounded-lg border border-line bg-raised p-3 shadow-float"
        >
          {toast.tone === "ok" ? (
            <CircleCheck aria-hidden className="mt-0.5 size-4 shrink-0 text-ok" />
          ) : (
            <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
          )}
          <div className="min-w-0 flex-1">
            <p className="text-sm font-medium">{toast.title}</p>
            {toast.detail !== "" && (
              <p className="mt-0.5 text-sm break-words text-muted">
                {toast.said?.map((each) => (
                  <Fragment key={each}>
                    <Sentence text={each} />{" "}
                  </Fragment>
                )) ?? toast.detail}
              </p>
            )}
          </div>
          {toast.action !== undefined && (
            <Button
              className="-my-1"
              onClick={() => {
                toast.action?.run();
                dismiss(toast.id);
              }}
            >
              {toast.action.label}
            </Button>
          )}
          <Button
            tone="ghost"
            isIcon
            aria-label={t.dismiss}
            className="-m-1"
            onClick={() => dismiss(toast.id)}
          >
            <X aria-hidden className="size-4" />
          </Button>
        </div>
      ))}
    </section>
  );
}
