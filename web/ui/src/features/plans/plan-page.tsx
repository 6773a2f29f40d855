import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Check, Undo2, X } from "lucide-react";
import { type ReactNode, useState } from "react";
import type { FieldChange, PlanChange, PlanView } from "@/api/openapi";
import { planQuery, type Verdict } from "@/api/plans";
import { FieldChanges } from "@/components/field-changes";
import { Loaded } from "@/components/loaded";
import { Page } from "@/components/page";
import { Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, Section } from "@/components/ui/section";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { STATE_TONES } from "./plan-tones";
import { VerdictDialog } from "./verdict-dialog";

/** One plan: what it does, to what, and the buttons that let it through or not. */
export function PlanPage({ id }: { id: string }) {
  const t = useMessages(messages);
  const query = useQuery(planQuery(id));
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const plan = query.data;
  const can = (asked: Verdict) => plan?.can.includes(asked) ?? false;
  return (
    <Page
      title={plan?.summary ?? id}
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
          {plan.outcome !== "" && <Fact name={t.outcome}>{plan.outcome}</Fact>}
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
              <span className="text-warn">{plan.why_not}</span>
            </Fact>
          )}
        </dl>
      </Card>
      <Section title={t.changes}>
        <Card className="px-4 py-2">
          {plan.changes.length === 0 ? (
            <p className="py-2 text-sm text-muted">{t.noChanges}</p>
          ) : (
            bySubject(plan.changes).map(([subject, changes]) => (
              <div key={subject} className="py-2">
                {subject !== "" && <h3 className="text-sm font-medium break-words">{subject}</h3>}
                <FieldChanges changes={changes} label={t.changesOf(subject || plan.summary)} />
              </div>
            ))
          )}
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
                  {note}
                </li>
              ))}
            </ul>
          </Card>
        </Section>
      )}
    </div>
  );
}

const KINDS = ["services", "containers", "hosts", "routes"] as const;

function Touched({ plan }: { plan: PlanView }) {
  const t = useMessages(messages);
  const kinds = KINDS.filter((kind) => plan.touches[kind].length > 0);
  if (kinds.length === 0) return <p className="p-4 text-sm text-muted">{t.nothing}</p>;
  return (
    <>
      <dl className="grid gap-x-6 gap-y-2 p-4 text-sm sm:grid-cols-[max-content_1fr]">
        {kinds.map((kind) => (
          <Fact key={kind} name={t[kind]}>
            {plan.touches[kind].join(", ")}
          </Fact>
        ))}
      </dl>
      {plan.touches.left_out > 0 && (
        <p className="px-4 pb-3 text-sm text-muted">{t.leftOut(plan.touches.left_out)}</p>
      )}
    </>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0 break-words">{children}</dd>
    </>
  );
}

/** What has an effect that is not known changes what is set and nothing that runs. */
function bySubject(changes: readonly PlanChange[]): [string, FieldChange[]][] {
  const found = new Map<string, FieldChange[]>();
  for (const { subject, field, before, after, effect } of changes) {
    const known = effect === "in-place" || effect === "recreate" ? effect : "policy-only";
    found.set(subject, [...(found.get(subject) ?? []), { field, before, after, effect: known }]);
  }
  return [...found];
}
