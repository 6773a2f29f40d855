import { useQuery } from "@tanstack/react-query";
import { CalendarPlus } from "lucide-react";
import { useState } from "react";
import { request } from "@/api/client";
import type { ScheduleRunView, ScheduleView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Empty, Loading } from "@/components/states";
import { Badge, Status, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { LinkButton } from "@/components/ui/link-button";
import { Card, Section } from "@/components/ui/section";
import { useNow } from "@/lib/clock";
import { formatAge, formatCount, formatDuration, formatMoment, parseImage } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { usePlanningChange } from "./planning-changes";
import { schedulesQuery } from "./planning-queries";

type Asked = { schedule: ScheduleView; verb: "run" | "cancel" };

/** What is deployed later, and what became of what was. */
export function SchedulesSection() {
  const t = useMessages(messages);
  const can = useCan();
  const schedules = useQuery(schedulesQuery);
  const [asked, setAsked] = useState<Asked | null>(null);
  const close = () => setAsked(null);
  const path = ({ schedule }: Asked) => `/schedules/${encodeURIComponent(schedule.id)}`;
  const change = usePlanningChange(
    (given: Asked) =>
      given.verb === "run"
        ? request(`${path(given)}/run`, { method: "POST", body: {} })
        : request(path(given), { method: "DELETE" }),
    ({ schedule, verb }) => (verb === "run" ? t.ran(schedule.project) : t.cancelled(schedule.project)),
  );
  return (
    <Section
      title={t.schedules}
      note={schedules.data?.length ? formatCount(schedules.data.length) : undefined}
      actions={
        can("service.schedule") && (
          <LinkButton to="/deploy">
            <CalendarPlus aria-hidden className="size-3.5" />
            {t.plan}
          </LinkButton>
        )
      }
    >
      <Card className="overflow-hidden">
        <Loaded query={schedules} loading={<Loading label={t.loadingSchedules} rows={4} />}>
          {(known) =>
            known.length === 0 ? (
              <Empty icon={<CalendarPlus className="size-5" />} title={t.noSchedules}>
                {t.noSchedulesWords}{" "}
                <code className="font-mono">tower schedule deploy compose.yaml --cron "30 3 * * MON"</code>.
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {known.map((schedule) => (
                  <Schedule
                    key={schedule.id}
                    schedule={schedule}
                    mayChange={can("service.schedule")}
                    onAsk={(verb) => setAsked({ schedule, verb })}
                  />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      {asked !== null && (
        <Confirm
          title={
            asked.verb === "run" ? t.runTitle(asked.schedule.project) : t.cancelTitle(asked.schedule.project)
          }
          verb={asked.verb === "run" ? t.runNow : t.cancel}
          isDangerous={asked.verb === "cancel"}
          isPending={change.isPending}
          onConfirm={() => change.mutate(asked, { onSettled: close })}
          onCancel={close}
        >
          <p>{asked.verb === "run" ? t.runWords : t.cancelWords}</p>
        </Confirm>
      )}
    </Section>
  );
}

function Schedule({
  schedule,
  mayChange,
  onAsk,
}: {
  schedule: ScheduleView;
  mayChange: boolean;
  onAsk: (verb: Asked["verb"]) => void;
}) {
  const t = useMessages(messages);
  const now = useNow();
  const { next_fire_ms: next } = schedule;
  const notes = [
    schedule.cron === "" ? t.once : t.cron(schedule.cron, schedule.time_zone),
    schedule.environment === "" ? "" : t.environment(schedule.environment),
    schedule.pins_at_fire ? t.imagesThen : t.imagesNow,
    schedule.overrides_windows ? t.overrides : "",
    t.by(schedule.by),
  ];
  return (
    <li className="flex flex-col gap-2 px-4 py-3 text-sm">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <div className="min-w-0 flex-1 basis-64">
          <h3 className="text-base font-semibold break-words">{schedule.project}</h3>
          <p className="tabular">
            <Status tone={next === null ? "neutral" : "accent"}>
              {next === null ? t.over : t.next(formatMoment(next), formatDuration(next - now))}
            </Status>
          </p>
        </div>
        {mayChange && (
          <span className="flex flex-wrap gap-2">
            <Button onClick={() => onAsk("run")}>{t.runNow}</Button>
            <Button onClick={() => onAsk("cancel")}>{t.cancel}</Button>
          </span>
        )}
      </div>
      <p className="text-muted">{notes.filter(Boolean).join(" · ")}</p>
      <ul className="tabular flex flex-wrap gap-x-4 gap-y-1">
        {schedule.services.map((service) => (
          <li key={service.service_id} className="min-w-0 break-words">
            {service.service_id}{" "}
            <span className="text-muted">
              {parseImage(service.image).short}:{parseImage(service.image).tag} × {service.replicas}
            </span>
          </li>
        ))}
      </ul>
      {(schedule.warnings ?? []).map((warning) => (
        <p key={warning} className="text-warn">
          <Sentence text={warning} isCapital />
        </p>
      ))}
      {schedule.runs.length > 0 && (
        <ul aria-label={t.runs} className="flex flex-col gap-1 border-t border-line pt-2">
          {schedule.runs.slice(0, 5).map((run) => (
            <Run key={run.at_ms} run={run} now={now} />
          ))}
        </ul>
      )}
    </li>
  );
}

const OUTCOMES: Record<ScheduleRunView["outcome"], Tone> = { fired: "ok", refused: "bad", missed: "warn" };

function Run({ run, now }: { run: ScheduleRunView; now: number }) {
  const t = useMessages(messages);
  return (
    <li className="flex items-baseline gap-3">
      <Badge tone={OUTCOMES[run.outcome]}>{t.outcomes[run.outcome]}</Badge>
      <span className="min-w-0 flex-1 break-words text-muted">
        <Sentence text={run.reason} isCapital />
      </span>
      <span className="tabular shrink-0 text-xs text-muted" title={formatMoment(run.at_ms)}>
        {formatAge(run.at_ms, now)}
      </span>
    </li>
  );
}
