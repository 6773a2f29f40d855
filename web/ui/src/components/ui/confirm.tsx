import * as Dialog from "@radix-ui/react-dialog";
import { type ReactNode, useRef } from "react";
import { useMessages } from "@/lib/i18n";
import { Button } from "./button";
import { messages } from "./messages";
import { leaveFocus, useInertPage } from "./modal";

interface ConfirmProps {
  title: string;
  /** The verb on the button: what happens when it is pressed. */
  verb: string;
  isDangerous: boolean;
  isPending: boolean;
  children: ReactNode;
  onConfirm: () => void;
  onCancel: () => void;
}

/** Asks before something that cannot simply be undone. The focus starts on Cancel. */
export function Confirm({
  title,
  verb,
  isDangerous,
  isPending,
  children,
  onConfirm,
  onCancel,
}: ConfirmProps) {
  useInertPage();
  const t = useMessages(messages);
  const cancel = useRef<HTMLButtonElement>(null);
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onCancel()}>
      <Dialog.Portal>
        <div aria-hidden className="animate-appear fixed inset-0 z-40 bg-black/40" />
        <Dialog.Content
          role="alertdialog"
          onCloseAutoFocus={leaveFocus}
          onOpenAutoFocus={(event) => {
            event.preventDefault();
            cancel.current?.focus();
          }}
          className="animate-appear fixed top-1/2 left-1/2 z-40 w-[calc(100%-2rem)] max-w-md -translate-x-1/2 -translate-y-1/2 rounded-xl border border-line bg-raised p-5 shadow-float outline-none"
        >
          <Dialog.Title className="text-base font-semibold">{title}</Dialog.Title>
          <Dialog.Description asChild>
            <div className="mt-2 flex flex-col gap-2 text-sm text-muted">{children}</div>
          </Dialog.Description>
          <div className="mt-5 flex justify-end gap-2">
            <Dialog.Close asChild>
              <Button ref={cancel}>{t.cancel}</Button>
            </Dialog.Close>
            <Button tone={isDangerous ? "danger" : "primary"} disabled={isPending} onClick={onConfirm}>
              {verb}
            </Button>
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
