import { useQuery } from "@tanstack/react-query";
import { Snowflake } from "lucide-react";
import { Suspense, useState } from "react";
import { request } from "@/api/client";
import type { FreezeView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Card, Section } from "@/components/ui/section";
import { lazily } from "@/lib/fetched";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { usePlanningChange } from "./planning-changes";
import { freezesQuery } from "./planning-queries";

const FreezeDialog = lazily(() => import("./freeze-dialog"));

/** Whether nothing may be changed for a while. */
export function FreezesSection() {
  const t = useMessages(messages);
  const can = useCan();
  const freezes = useQuery(freezesQuery);
  const [isNew, setNew] = useState(false);
  const [ended, setEnded] = useState<FreezeView | null>(null);
  const end = usePlanningChange(
    ({ id }: FreezeView) => request(`/freezes/${encodeURIComponent(id)}`, { method: "DELETE" }),
    () => t.ended,
  );
  return (
    <Section
      title={t.freezes}
      actions={can("window.freeze") && <Button onClick={() => setNew(true)}>{t.freeze}…</Button>}
    >
      <Card className="overflow-hidden">
        <Loaded query={freezes} loading={<Loading label={t.loadingFreezes} rows={2} />}>
          {(known) =>
            known.length === 0 ? (
              <Empty icon={<Snowflake className="size-5" />} title={t.noFreezes}>
                {t.noFreezesWords}
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {known.map((freeze) => (
                  <Freeze
                    key={freeze.id}
                    freeze={freeze}
                    mayEnd={can("window.freeze")}
                    onEnd={() => setEnded(freeze)}
                  />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      {isNew && (
        <Suspense fallback={null}>
          <FreezeDialog onClose={() => setNew(false)} />
        </Suspense>
      )}
      {ended !== null && (
        <Confirm
          title={t.endTitle}
          verb={t.endFreeze}
          isDangerous={false}
          isPending={end.isPending}
          onConfirm={() => end.mutate(ended, { onSettled: () => setEnded(null) })}
          onCancel={() => setEnded(null)}
        >
          <p>{ended.reason}</p>
          <p>{t.endWords}</p>
        </Confirm>
      )}
    </Section>
  );
}

function Freeze({ freeze, mayEnd, onEnd }: { freeze: FreezeView; mayEnd: boolean; onEnd: () => void }) {
  const t = useMessages(messages);
  const scope = freeze.scope === "cluster" || freeze.scope === "" ? t.everywhere : freeze.scope;
  const until = freeze.until_ms === null ? t.untilEnded : t.until(formatMoment(freeze.until_ms));
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2.5 text-sm">
      <div className="min-w-0 flex-1 basis-56">
        <p className="flex flex-wrap items-center gap-2">
          <span className="font-medium break-words">{freeze.reason}</span>
          <Badge tone={freeze.is_in_force ? "warn" : "neutral"}>
            {freeze.is_in_force ? t.inForce : t.toCome}
          </Badge>
        </p>
        <p className="tabular break-words text-muted">
          {[scope, freeze.is_in_force ? "" : t.from(formatMoment(freeze.from_ms)), until, t.by(freeze.by)]
            .filter(Boolean)
            .join(" · ")}
        </p>
      </div>
      {mayEnd && <Button onClick={onEnd}>{t.endFreeze}</Button>}
    </li>
  );
}
