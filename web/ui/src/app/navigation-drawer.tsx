import * as Dialog from "@radix-ui/react-dialog";
import { X } from "lucide-react";
import { Button } from "@/components/ui/button";
import { leaveFocus, useInertPage } from "@/components/ui/modal";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { Navigation } from "./navigation";

/** The pages over the page, on a screen that has no room for them beside it. */
export default function NavigationDrawer({ onClose }: { onClose: () => void }) {
  useInertPage();
  const t = useMessages(messages);
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <div aria-hidden className="animate-appear fixed inset-0 z-40 bg-black/40" />
        <Dialog.Content
          aria-describedby={undefined}
          onCloseAutoFocus={leaveFocus}
          className="animate-appear fixed inset-y-0 left-0 z-40 flex w-64 max-w-[85vw] flex-col overflow-y-auto border-r border-line bg-surface shadow-float outline-none"
        >
          <header className="flex h-12 shrink-0 items-center justify-between border-b border-line pr-2 pl-4">
            <Dialog.Title className="text-base font-semibold">{t.pages}</Dialog.Title>
            <Dialog.Close asChild>
              <Button tone="ghost" isIcon aria-label={t.close}>
                <X aria-hidden className="size-4" />
              </Button>
            </Dialog.Close>
          </header>
          <Navigation onFollow={onClose} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
