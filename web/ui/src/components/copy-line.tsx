import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { Button } from "./ui/button";
import { showError } from "./ui/toast-store";

const COPIED_MS = 2_000;

/** A command or a secret to take along, with a button that copies it. */
export function CopyLine({ text, label }: { text: string; label: string }) {
  const t = useMessages(messages);
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const copy = () =>
    void navigator.clipboard
      .writeText(text)
      .then(() => setCopied(true))
      .catch(showError);
  return (
    <div className="flex items-start gap-2 rounded-md border border-line bg-hover py-1.5 pr-1.5 pl-3">
      <code className="min-w-0 flex-1 self-center font-mono text-sm break-all">{text}</code>
      <Button tone="ghost" isIcon aria-label={`${t.copy}: ${label}`} onClick={copy}>
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
