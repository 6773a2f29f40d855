import { Download } from "lucide-react";
import { REPORT_FORMATS, reportUrl } from "@/api/observing";
import { MenuButton } from "@/components/ui/menu-button";
import { saveFrom } from "@/lib/download";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

const ENDINGS = { html: "html", markdown: "md", csv: "csv", json: "json" } as const;

/** A report on everything, as a file. */
export function ReportMenu() {
  const t = useMessages(messages);
  return (
    <MenuButton
      menuLabel={t.report}
      groups={[
        REPORT_FORMATS.map((format) => ({
          key: format,
          label: t.reports[format],
          onSelect: () => saveFrom(reportUrl(format), `report.${ENDINGS[format]}`),
        })),
      ]}
    >
      <Download aria-hidden className="size-3.5" />
      {t.report}
    </MenuButton>
  );
}
