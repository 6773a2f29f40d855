import { ArrowUp, Square } from "lucide-react";
import { type FormEvent, type KeyboardEvent, type RefObject, useId } from "react";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

/** What the server takes. */
const TEXT_MAX = 4_000;

interface ComposerProps {
  field: RefObject<HTMLTextAreaElement | null>;
  draft: string;
  onDraft: (draft: string) => void;
  isAnswering: boolean;
  onAsk: (text: string) => void;
  onStop: () => void;
}

/** Where a question is written. While an answer is on its way the next can be written, and that one stopped. */
export function Composer({ field, draft, onDraft, isAnswering, onAsk, onStop }: ComposerProps) {
  const t = useMessages(messages);
  const hint = useId();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const text = draft.trim();
    if (text === "" || isAnswering) return;
    onAsk(text);
    onDraft("");
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) submit(event);
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-1">
      <div className="flex items-end gap-1.5 rounded-lg border border-line-strong bg-surface p-1.5 focus-within:border-accent">
        <textarea
          ref={field}
          value={draft}
          rows={Math.min(6, draft.split("\n").length)}
          maxLength={TEXT_MAX}
          aria-label={t.field}
          aria-describedby={hint}
          placeholder={t.placeholder}
          className="field-sizing-content max-h-40 min-h-8 min-w-0 flex-1 resize-none bg-transparent px-1.5 py-1 outline-none placeholder:text-muted"
          onInput={(event) => onDraft(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
        {isAnswering ? (
          <Button onClick={onStop}>
            <Square aria-hidden className="size-3 fill-current" />
            {t.stop}
          </Button>
        ) : (
          <Button type="submit" tone="primary" isIcon aria-label={t.ask} disabled={draft.trim() === ""}>
            <ArrowUp aria-hidden className="size-4" />
          </Button>
        )}
      </div>
      <p id={hint} className="sr-only">
        {t.hint}
      </p>
    </form>
  );
}
