import { Suspense, useState } from "react";
import type { SecondFactorView } from "@/api/openapi";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, Section } from "@/components/ui/section";
import { lazily } from "@/lib/fetched";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./account-messages";

const FactorWindow = lazily(() => import("./factor-window"));

export type FactorAim = "enrol" | "remove" | "renew";

const FEW_CODES = 3;

/** Whether a code is asked for besides the password, and what can be changed about it. */
export function SecondFactorSection({ factor }: { factor: SecondFactorView }) {
  const t = useMessages(messages);
  const [aim, setAim] = useState<FactorAim | null>(null);
  const isFew = factor.is_enrolled && factor.recovery_codes_left < FEW_CODES;
  return (
    <Section title={t.factor}>
      <Card className="flex flex-wrap items-center gap-x-4 gap-y-3 p-4 text-sm">
        <Badge tone={factor.is_enrolled ? "ok" : factor.is_required ? "warn" : "neutral"}>
          {factor.is_enrolled ? t.factorOn : t.factorOff}
        </Badge>
        <div className="min-w-0 flex-1 basis-60">
          <p>
            {factor.enrolled_at_ms === null
              ? t.factorOffNote
              : t.factorOnNote(formatMoment(factor.enrolled_at_ms), factor.recovery_codes_left)}
          </p>
          {factor.is_required && <p className="text-muted">{t.factorRequired}</p>}
          {isFew && <p className="text-warn">{t.fewCodes}</p>}
        </div>
        <div className="flex flex-wrap gap-2">
          {factor.is_enrolled ? (
            <>
              <Button onClick={() => setAim("renew")}>{t.newCodes}</Button>
              {!factor.is_required && <Button onClick={() => setAim("remove")}>{t.turnOff}</Button>}
            </>
          ) : (
            <Button tone="primary" onClick={() => setAim("enrol")}>
              {t.turnOn}
            </Button>
          )}
        </div>
      </Card>
      <Suspense fallback={null}>
        {aim !== null && <FactorWindow aim={aim} onClose={() => setAim(null)} />}
      </Suspense>
    </Section>
  );
}
