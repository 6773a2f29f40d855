import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleCheck } from "lucide-react";
import { useState } from "react";
import type { PlanView } from "@/api/openapi";
import { allPlansQuery, openPlansQuery } from "@/api/plans";
import { Loaded } from "@/components/loaded";
import { Page } from "@/components/page";
import { Sentence } from "@/components/sentence";
import { Empty, Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Card } from "@/components/ui/section";
import { Segmented } from "@/components/ui/segmented";
import { useNow } from "@/lib/clock";
import { formatDuration, formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { STATE_TONES } from "./plan-tones";

const TABS = ["open", "all"] as const;

/** What programs asked for: what waits for a person, and what became of the rest. */
export function PlansPage() {
  const t = useMessages(messages);
  const [tab, setTab] = useState<(typeof TABS)[number]>("open");
  const open = useQuery(openPlansQuery);
  const query = useQuery({ ...(tab === "open" ? openPlansQuery : allPlansQuery) });
  const waiting = open.data?.filter(({ state }) => state === "waiting").length ?? 0;
  return (
    <Page title={t.title} note={waiting > 0 ? t.waiting(waiting) : undefined}>
      <div className="flex flex-col gap-4">
        <Segmented
          label={t.view}
          value={tab}
          onChange={setTab}
          options={TABS.map((value) => ({ value, label: t.tabs[value] }))}
          className="self-start"
        />
        <Card>
          <Loaded query={query} loading={<Loading label={t.loading} rows={4} />}>
            {(plans) =>
              plans.length === 0 ? (
                <Empty icon={<CircleCheck className="size-5" />} title={tab === "open" ? t.none : t.noneEver}>
                  {t.noneHint}
                </Empty>
              ) : (
                <ul className="divide-y divide-line">
                  {plans.map((plan) => (
                    <Row key={plan.id} plan={plan} />
                  ))}
                </ul>
              )
            }
          </Loaded>
        </Card>
      </div>
    </Page>
  );
}

function Row({ plan }: { plan: PlanView }) {
  const t = useMessages(messages);
  const now = useNow();
  return (
    <li className="relative px-4 py-3 hover:bg-hover">
      <Link
        to="/plans/$plan"
        params={{ plan: plan.id }}
        className="font-medium break-words after:absolute after:inset-0"
      >
        <Sentence text={plan.summary} />
      </Link>
      <p className="tabular mt-1 flex flex-wrap items-center gap-x-2.5 gap-y-1 text-xs text-muted">
        <Badge tone={STATE_TONES[plan.state]}>{t.states[plan.state]}</Badge>
        <span>{plan.tool}</span>
        <span>
          {t.by(plan.asked_by)} {t.vias[plan.via] ?? plan.via}
        </span>
        <time dateTime={new Date(plan.made_at_ms).toISOString()} title={formatMoment(plan.made_at_ms)}>
          {plan.state === "waiting"
            ? t.age(formatDuration(now - plan.made_at_ms))
            : formatMoment(plan.made_at_ms)}
        </time>
      </p>
    </li>
  );
}
