import * as Radix from "@radix-ui/react-dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { cn } from "@/lib/cn";
import { useMessages } from "@/lib/i18n";
import { Button } from "./button";
import { messages } from "./messages";
import { leaveFocus, useInertPage } from "./modal";

interface DialogProps {
  title: string;
  description?: ReactNode;
  onClose: () => void;
  isWide?: boolean;
  children: ReactNode;
}

/** A window in the middle of the page, for a form or a result. */
export function Dialog({ title, description, onClose, isWide = false, children }: DialogProps) {
  useInertPage();
  const t = useMessages(messages);
  const described = description === undefined ? { "aria-describedby": undefined } : {};
  return (
    <Radix.Root open onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <div aria-hidden className="animate-appear fixed inset-0 z-40 bg-black/40" />
        <Radix.Content
          {...described}
          onCloseAutoFocus={leaveFocus}
          className={cn(
            "animate-appear fixed top-1/2 left-1/2 z-40 max-h-[calc(100dvh-2rem)] w-[calc(100%-2rem)] -translate-x-1/2 -translate-y-1/2 overflow-y-auto rounded-xl border border-line bg-raised p-5 shadow-float outline-none",
            isWide ? "max-w-2xl" : "max-w-md",
          )}
        >
          <div className="flex items-start gap-2">
            <Radix.Title className="min-w-0 flex-1 text-base font-semibold">{title}</Radix.Title>
            <Radix.Close asChild>
              <Button tone="ghost" isIcon aria-label={t.close} className="-mt-1.5 -mr-2">
                <X aria-hidden className="size-4" />
              </Button>
            </Radix.Close>
          </div>
          {description !== undefined && (
            <Radix.Description asChild>
              <div className="text-sm text-muted">{description}</div>
            </Radix.Description>
          )}
          <div className="mt-4">{children}</div>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
