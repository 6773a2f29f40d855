import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Check, Undo2, X } from "lucide-react";
import { useState } from "react";
import type { PlanView } from "@/api/openapi";
import { planQuery, type Verdict } from "@/api/plans";
import { Loaded } from "@/components/loaded";
import { Page } from "@/components/page";
import { Sentence } from "@/components/sentence";
import { Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, Section } from "@/components/ui/section";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { useSentences } from "@/lib/sentences";
import { messages } from "./messages";
import { Changes, Fact, Touched } from "./plan-parts";
import { STATE_TONES } from "./plan-tones";
import { VerdictDialog } from "./verdict-dialog";

/** One plan: what it does, to what, and the buttons that let it through or not. */
export function PlanPage({ id }: { id: string }) {
  const say = useSentences();
  const t = useMessages(messages);
  const query = useQuery(planQuery(id));
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const plan = query.data;
  const can = (asked: Verdict) => plan?.can.includes(asked) ?? false;
  return (
    <Page
      title={plan === undefined ? id : say(plan.summary)}
      above={
        <Link to="/plans" className="hover:underline">
          {t.title}
        </Link>
      }
      note={plan && <Badge tone={STATE_TONES[plan.state]}>{t.states[plan.state]}</Badge>}
      actions={
        <>
          {can("withdraw") && (
            <Button onClick={() => setVerdict("withdraw")}>
              <Undo2 aria-hidden className="size-3.5" />
              {t.withdraw}
            </Button>
          )}
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
        </>
      }
    >
      <Loaded
        query={query}
        loading={
          <Card>
            <Loading label={t.loadingOne} rows={6} />
          </Card>
        }
      >
        {(known) => <Details plan={known} />}
      </Loaded>
      {plan !== undefined && verdict !== null && (
        <VerdictDialog plan={plan} verdict={verdict} onClose={() => setVerdict(null)} />
      )}
    </Page>
  );
}

function Details({ plan }: { plan: PlanView }) {
  const t = useMessages(messages);
  const isWaiting = plan.state === "waiting";
  return (
    <div className="flex flex-col gap-6">
      <Card>
        <dl className="grid gap-x-6 gap-y-2 p-4 text-sm sm:grid-cols-[max-content_1fr]">
          {plan.outcome !== "" && (
            <Fact name={t.outcome}>
              <Sentence text={plan.outcome} />
            </Fact>
          )}
          {plan.decided_by !== null && plan.decided_at_ms !== null && (
            <Fact name={t.decided}>
              {t.decidedBy(plan.decided_by, plan.decided_through ?? "", formatMoment(plan.decided_at_ms))}
            </Fact>
          )}
          {plan.comment !== "" && (
            <Fact name={t.comment}>
              <q>{plan.comment}</q>
            </Fact>
          )}
          <Fact name={t.why}>{plan.reason}</Fact>
          <Fact name={t.tool}>
            <span className="font-mono text-xs">{plan.tool}</span> {t.by(plan.asked_by)}{" "}
            {t.vias[plan.via] ?? plan.via}
            {plan.token_prefix !== null && `, ${t.token(plan.token_prefix)}`}, {formatMoment(plan.made_at_ms)}
            {isWaiting && ` · ${t.expires(formatMoment(plan.expires_at_ms))}`}
          </Fact>
          {Object.keys(plan.arguments).length > 0 && (
            <Fact name={t.arguments}>
              <span className="font-mono text-xs break-all">
                {Object.entries(plan.arguments)
                  .map(([name, value]) => `${name}=${value}`)
                  .join(" ")}
              </span>
            </Fact>
          )}
          {isWaiting && plan.why_not !== "" && (
            <Fact name={t.cannot}>
              <span className="text-warn">
                <Sentence text={plan.why_not} />
              </span>
            </Fact>
          )}
        </dl>
      </Card>
      <Section title={t.changes}>
        <Card className="px-4 py-2">
          <Changes plan={plan} />
        </Card>
      </Section>
      <Section title={t.touches}>
        <Card>
          <Touched plan={plan} />
        </Card>
      </Section>
      {plan.notes.length > 0 && (
        <Section title={t.notes}>
          <Card>
            <ul className="list-disc py-3 pr-4 pl-8 text-sm">
              {plan.notes.map((note) => (
                <li key={note} className="break-words">
                  <Sentence text={note} />
                </li>
              ))}
            </ul>
          </Card>
        </Section>
      )}
    </div>
  );
}
