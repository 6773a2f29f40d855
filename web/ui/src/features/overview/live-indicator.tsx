import { useLiveStatus } from "@/api/live";
import { Status } from "@/components/ui/badge";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

/** Whether numbers come by themselves at the moment. */
export function LiveIndicator() {
  const { phase } = useLiveStatus();
  const t = useMessages(messages);
  return (
    <span role="status" className="text-sm text-muted">
      {phase === "open" ? (
        <Status tone="ok">{t.live}</Status>
      ) : (
        <Status tone="warn">{phase === "connecting" ? t.connecting : t.reconnecting}</Status>
      )}
    </span>
  );
}
