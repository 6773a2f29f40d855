import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Check, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import type { PlanView } from "@/api/openapi";
import { planQuery, type Verdict } from "@/api/plans";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/section";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { serverWords } from "@/lib/sentences";
import { messages } from "./messages";
import { Changes, Touched } from "./plan-parts";
import { STATE_TONES } from "./plan-tones";
import { VerdictDialog } from "./verdict-dialog";

/** A plan where it was proposed: what it changes, the buttons that let it through or not, and what became of it. */
export function PlanCard({ id }: { id: string }) {
  const t = useMessages(messages);
  const query = useQuery(planQuery(id));
  return (
    <Card>
      <Loaded query={query} loading={<Loading label={t.loadingOne} rows={3} />}>
        {(plan) => <Told plan={plan} />}
      </Loaded>
    </Card>
  );
}

function Told({ plan }: { plan: PlanView }) {
  const t = useMessages(messages);
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const card = useRef<HTMLElement>(null);
  const can = (asked: Verdict) => plan.can.includes(asked);
  useEffect(() => {
    if (verdict === null) return;
    // The window gives the focus back to its button, which is gone once the plan is decided.
    return () => {
      setTimeout(() => {
        const isWithin = card.current?.contains(document.activeElement) ?? true;
        if (!isWithin) card.current?.focus({ preventScroll: true });
      });
    };
  }, [verdict]);
  const { decided_by: by, decided_at_ms: atMs, decided_through: through } = plan;
  return (
    <section
      ref={card}
      tabIndex={-1}
      aria-label={serverWords(plan.summary)}
      className="divide-y divide-line text-sm outline-none"
    >
      <header className="flex items-start gap-2 px-4 py-2.5">
        <Link
          to="/plans/$plan"
          params={{ plan: plan.id }}
          className="min-w-0 flex-1 font-medium break-words hover:underline"
        >
          <Sentence text={plan.summary} />
        </Link>
        <Badge tone={STATE_TONES[plan.state]}>{t.states[plan.state]}</Badge>
      </header>
      <div className="px-4 py-1">
        <Changes plan={plan} />
      </div>
      <Touched plan={plan} />
      {(plan.outcome !== "" || by !== null) && (
        <div role="status" className="flex flex-col gap-1 px-4 py-2.5">
          {plan.outcome !== "" && (
            <p className="break-words">
              <Sentence text={plan.outcome} />
            </p>
          )}
          {by !== null && atMs !== null && (
            <p className="text-xs text-muted">{t.decidedBy(by, through ?? "", formatMoment(atMs))}</p>
          )}
        </div>
      )}
      {plan.state === "waiting" && plan.why_not !== "" && (
        <p className="px-4 py-2.5 text-warn">
          {t.cannot} <Sentence text={plan.why_not} />
        </p>
      )}
      {(can("approve") || can("refuse")) && (
        <div className="flex justify-end gap-2 px-4 py-2.5">
          {can("refuse") && (
            <Button onClick={() => setVerdict("refuse")}>
              <X aria-hidden className="size-3.5" />
              {t.refuse}
            </Button>
          )}
          {can("approve") && (
            <Button tone="primary" onClick={() => setVerdict("approve")}>
              <Check aria-hidden className="size-3.5" />
              {t.approve}
            </Button>
          )}
        </div>
      )}
      {verdict !== null && <VerdictDialog plan={plan} verdict={verdict} onClose={() => setVerdict(null)} />}
    </section>
  );
}
