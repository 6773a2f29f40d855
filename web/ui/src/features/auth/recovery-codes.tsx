import { Copy, Download } from "lucide-react";
import { useState } from "react";
import { copyText } from "@/components/copying";
import { Button } from "@/components/ui/button";
import { CheckBox } from "@/components/ui/field";
import { saveFile } from "@/lib/download";
import { useMessages } from "@/lib/i18n";
import { messages } from "./enrolment-messages";

/** Recovery codes, shown this once: whoever goes on has said that they are kept. */
export function RecoveryCodes({ codes, onKept }: { codes: readonly string[]; onKept: () => void }) {
  const t = useMessages(messages);
  const [isKept, setKept] = useState(false);
  const text = codes.join("\n");
  const download = () =>
    saveFile(
      new Blob([`${t.fileHead}\n\n${text}\n`], { type: "text/plain" }),
      "control-tower-recovery-codes.txt",
    );
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
        <Button onClick={() => copyText(text)}>
          <Copy aria-hidden className="size-3.5" />
          {t.copyAll}
        </Button>
        <Button onClick={download}>
          <Download aria-hidden className="size-3.5" />
          {t.download}
        </Button>
      </div>
      <CheckBox label={t.kept} isOn={isKept} onChange={setKept} />
      <Button tone="primary" disabled={!isKept} onClick={onKept}>
        {t.goOn}
      </Button>
    </div>
  );
}
