import type { WebCertificateView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import type { Tone } from "@/components/ui/badge";
import { useMessages } from "@/lib/i18n";
import { CertificateList, Standing } from "./certificate-list";
import { dashboardMessages } from "./messages";

const TONES: Readonly<Record<string, Tone>> = { serving: "ok", soon: "warn", ended: "bad" };

/** What the dashboard itself is served with: which names, until when, and new ones. */
export function DashboardCertificates() {
  const can = useCan();
  const t = useMessages(dashboardMessages);
  return (
    <CertificateList<WebCertificateView>
      collection="web-certificates"
      words={t}
      mayPut={can("certificate.serve-dashboard")}
      mayRemove={can("certificate.stop-serving-dashboard")}
      standing={({ state, not_after_ms }) => (
        <Standing
          tone={TONES[state] ?? "neutral"}
          word={t.states[state as keyof typeof t.states] ?? state}
          isOver={state === "ended"}
          endMs={not_after_ms}
        />
      )}
    />
  );
}
