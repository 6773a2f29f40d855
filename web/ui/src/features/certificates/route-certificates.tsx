import type { RouteCertificateView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { useNow } from "@/lib/clock";
import { useMessages } from "@/lib/i18n";
import { CertificateList, Standing } from "./certificate-list";
import { routeMessages } from "./messages";

/** The certificates routers show to visitors: when they end, and new ones. */
export function RouteCertificates() {
  const can = useCan();
  return (
    <CertificateList<RouteCertificateView>
      collection="certificates"
      words={useMessages(routeMessages)}
      mayPut={can("certificate.put")}
      mayRemove={can("certificate.remove")}
      standing={(certificate) => <Ending certificate={certificate} />}
    />
  );
}

function Ending({ certificate }: { certificate: RouteCertificateView }) {
  const { states } = useMessages(routeMessages);
  const now = useNow();
  const { not_after_ms, ends_soon } = certificate;
  if (not_after_ms <= now) return <Standing tone="bad" word={states.ended} isOver endMs={not_after_ms} />;
  return (
    <Standing
      tone={ends_soon ? "warn" : "ok"}
      word={ends_soon ? states.soon : states.valid}
      isOver={false}
      endMs={not_after_ms}
    />
  );
}
