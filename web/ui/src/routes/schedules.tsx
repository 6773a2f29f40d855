import { Page } from "@/components/page";
import { FreezesSection } from "@/features/planning/freezes-section";
import { SchedulesSection } from "@/features/planning/schedules-section";
import { WindowsSection } from "@/features/planning/windows-section";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Schedules" }, it: { title: "Pianificazione" } });

/** What is planned, and when changes may be made. */
export function SchedulesRoute() {
  const t = useMessages(messages);
  return (
    <Page title={t.title}>
      <div className="grid items-start gap-6 xl:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <SchedulesSection />
        <div className="flex min-w-0 flex-col gap-6">
          <FreezesSection />
          <WindowsSection />
        </div>
      </div>
    </Page>
  );
}
