import { Copy, Download } from "lucide-react";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { showDone, showError } from "@/components/ui/toast-store";
import { useMessages } from "@/lib/i18n";
import { messages } from "./enrolment-messages";

/** Recovery codes, shown this once: whoever goes on has said that they are kept. */
export function RecoveryCodes({ codes, onKept }: { codes: readonly string[]; onKept: () => void }) {
  const t = useMessages(messages);
  const [isKept, setKept] = useState(false);
  const text = codes.join("\n");
  const copy = () =>
    void navigator.clipboard
      .writeText(text)
      .then(() => showDone(t.copied))
      .catch(showError);
  const download = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${t.fileHead}\n\n${text}\n`], { type: "text/plain" }));
    link.download = "control-tower-recovery-codes.txt";
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <div className="flex flex-col gap-4">
      <p className="text-sm text-muted">{t.recoveryNote}</p>
      <ul className="grid grid-cols-1 gap-x-6 gap-y-1.5 rounded-md border border-line bg-hover p-3 font-mono text-sm sm:grid-cols-2">
        {codes.map((code) => (
          <li key={code} className="tabular">
            {code}
          </li>
        ))}
      </ul>
      <div className="flex flex-wrap gap-2">
        <Button onClick={copy}>
          <Copy aria-hidden className="size-3.5" />
          {t.copyAll}
        </Button>
        <Button onClick={download}>
          <Download aria-hidden className="size-3.5" />
          {t.download}
        </Button>
      </div>
      <label className="flex items-center gap-2 text-sm">
        <input
          type="checkbox"
          checked={isKept}
          onChange={(event) => setKept(event.currentTarget.checked)}
          className="size-4 accent-accent"
        />
        {t.kept}
      </label>
      <Button tone="primary" disabled={!isKept} onClick={onKept}>
        {t.goOn}
      </Button>
    </div>
  );
}
