import * as Dialog from "@radix-ui/react-dialog";
import { X } from "lucide-react";
import { type ReactNode, type RefObject, useEffect, useRef } from "react";
import { Button } from "@/components/ui/button";
import { leaveFocus, useInertPage } from "@/components/ui/modal";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { ASSISTANT_ID } from "./opened";

interface FrameProps {
  /** Where the focus begins. */
  field: RefObject<HTMLElement | null>;
  title: string;
  /** Buttons beside the title. */
  actions: ReactNode;
  onClose: () => void;
  children: ReactNode;
}

const HEADER = "flex h-12 shrink-0 items-center gap-1 border-b border-line pr-2 pl-4";
const TITLE = "min-w-0 flex-1 truncate text-base font-semibold";

/** Beside the page, which stays usable and makes room. */
export function SideFrame({ title, actions, onClose, children }: Omit<FrameProps, "field">) {
  const t = useMessages(messages);
  const frame = useRef<HTMLElement>(null);
  useFocusGivenBack(frame);
  return (
    <aside
      ref={frame}
      id={ASSISTANT_ID}
      aria-label={t.title}
      className="sticky top-12 flex h-[calc(100dvh-3rem)] w-[26rem] shrink-0 flex-col border-l border-line bg-surface"
      onKeyDown={(event) => {
        if (event.key !== "Escape" || event.defaultPrevented) return;
        event.preventDefault();
        onClose();
      }}
    >
      <header className={HEADER}>
        <h2 className={TITLE}>{title}</h2>
        {actions}
        <Button tone="ghost" isIcon aria-label={t.close} onClick={onClose}>
          <X aria-hidden className="size-4" />
        </Button>
      </header>
      {children}
    </aside>
  );
}

/** Over the page where there is no room beside it; all of a phone. */
export function WindowFrame({ field, title, actions, onClose, children }: FrameProps) {
  const t = useMessages(messages);
  useInertPage();
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <div aria-hidden className="animate-appear fixed inset-0 z-40 bg-black/40" />
        <Dialog.Content
          id={ASSISTANT_ID}
          aria-describedby={undefined}
          onCloseAutoFocus={leaveFocus}
          onOpenAutoFocus={(event) => {
            event.preventDefault();
            field.current?.focus();
          }}
          className="animate-slide-in fixed inset-y-0 right-0 z-40 flex w-full flex-col bg-surface shadow-float outline-none sm:max-w-[30rem] sm:border-l sm:border-line"
        >
          <header className={HEADER}>
            <Dialog.Title className={TITLE}>{title}</Dialog.Title>
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

/** When it closes, the focus goes back to where it was; to its button when that is gone. */
function useFocusGivenBack(frame: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const before = document.activeElement;
    const within = frame.current;
    return () => {
      const now = document.activeElement;
      // Whoever went on to something else stays there.
      if (now !== null && now !== document.body && !within?.contains(now)) return;
      const isLost = before === null || before === document.body || !before.isConnected;
      const target = isLost ? document.querySelector(`[aria-controls=${ASSISTANT_ID}]`) : before;
      if (target instanceof HTMLElement) target.focus({ preventScroll: true });
    };
  }, [frame]);
}
