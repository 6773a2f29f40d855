import { useLiveStatus } from "@/api/live";
import { Status } from "@/components/ui/badge";

/** Whether numbers come by themselves at the moment. */
export function LiveIndicator() {
  const { phase } = useLiveStatus();
  return (
    <span role="status" className="text-sm text-muted">
      {phase === "open" ? (
        <Status tone="ok">live</Status>
      ) : (
        <Status tone="warn">{phase === "connecting" ? "connecting" : "reconnecting"}</Status>
      )}
    </span>
  );
}
