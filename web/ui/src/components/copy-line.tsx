import { Check, Copy } from "lucide-react";
import { useMessages } from "@/lib/i18n";
import { useCopy } from "./copying";
import { messages } from "./messages";
import { Button } from "./ui/button";

/** A command or a secret to take along, with a button that copies it. */
export function CopyLine({ text, label }: { text: string; label: string }) {
  const t = useMessages(messages);
  const [isCopied, copy] = useCopy();
  return (
    <div className="flex items-start gap-2 rounded-md border border-line bg-hover py-1.5 pr-1.5 pl-3">
      <code className="min-w-0 flex-1 self-center font-mono text-sm break-all">{text}</code>
      <Button tone="ghost" isIcon aria-label={`${t.copy}: ${label}`} onClick={() => copy(text)}>
        {isCopied ? (
          <Check aria-hidden className="size-4 text-ok" />
        ) : (
          <Copy aria-hidden className="size-4" />
        )}
      </Button>
      <span role="status" className="sr-only">
        {isCopied ? t.copied : ""}
      </span>
    </div>
  );
}
