import { useEffect, useState } from "react";
import { textsOf } from "@/lib/i18n";
import { messages } from "./messages";
import { showDone, showError } from "./ui/toast-store";

const COPIED_MS = 2_000;

/** A page that came without TLS has no clipboard: that is an error like the browser's refusal. */
async function write(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
}

/** Copy a text, and say in a notice that it was done, or why not. */
export function copyText(text: string): void {
  void write(text)
    .then(() => showDone(textsOf(messages).copied))
    .catch(showError);
}

/** Copying for a button that says itself, for a moment, that it was done. */
export function useCopy(): [isCopied: boolean, copy: (text: string) => void] {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const copy = (text: string) =>
    void write(text)
      .then(() => setCopied(true))
      .catch(showError);
  return [isCopied, copy];
}
