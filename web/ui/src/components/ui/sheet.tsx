import * as Dialog from "@radix-ui/react-dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { cn } from "@/lib/cn";
import { useMessages } from "@/lib/i18n";
import { Button } from "./button";
import { messages } from "./messages";
import { leaveFocus, useInertPage } from "./modal";

interface SheetProps {
  title: ReactNode;
  description: ReactNode;
  actions?: ReactNode;
  onClose: () => void;
  /** Wider, for text. */
  isWide?: boolean;
  children: ReactNode;
}

/**
 * A window at the right edge, over the page; all of a narrow screen.
 *
 * The backdrop is ours: Radix's own locks scrolling with a style element, which the page's
 * Content-Security-Policy forbids (styles/app.css does it instead).
 */
export function Sheet({ title, description, actions, onClose, isWide = false, children }: SheetProps) {
  useInertPage();
  const t = useMessages(messages);
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <div aria-hidden className="animate-appear fixed inset-0 z-40 bg-black/40" />
        <Dialog.Content
          onCloseAutoFocus={leaveFocus}
          className={cn(
            "animate-slide-in fixed inset-y-0 right-0 z-40 flex w-full flex-col border-l border-line bg-surface shadow-float outline-none",
            isWide ? "max-w-[60rem]" : "max-w-[36rem]",
          )}
        >
          <header className="flex items-center gap-2 border-b border-line py-2.5 pr-2.5 pl-4">
            <div className="min-w-0 flex-1">
              <Dialog.Title className="truncate text-base font-semibold">{title}</Dialog.Title>
              <Dialog.Description asChild>
                <div className="text-sm break-words text-muted">{description}</div>
              </Dialog.Description>
            </div>
            {actions}
            <Dialog.Close asChild>
              <Button tone="ghost" isIcon aria-label={t.close}>
                <X aria-hidden className="size-4" />
              </Button>
            </Dialog.Close>
          </header>
          {children}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
