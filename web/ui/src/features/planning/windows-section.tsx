import { useQuery } from "@tanstack/react-query";
import { DoorOpen } from "lucide-react";
import { Suspense, useState } from "react";
import { request } from "@/api/client";
import type { WindowView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Card, Section } from "@/components/ui/section";
import { lazily } from "@/lib/fetched";
import { formatDuration } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { usePlanningChange } from "./planning-changes";
import { windowsQuery } from "./planning-queries";

const WindowDialog = lazily(() => import("./window-dialog"));

/** When services may be changed, and when not. */
export function WindowsSection() {
  const t = useMessages(messages);
  const can = useCan();
  const windows = useQuery(windowsQuery);
  const [isNew, setNew] = useState(false);
  const [removed, setRemoved] = useState<WindowView | null>(null);
  const remove = usePlanningChange(
    ({ id }: WindowView) => request(`/windows/${encodeURIComponent(id)}`, { method: "DELETE" }),
    ({ id }) => t.windowRemoved(id),
  );
  return (
    <Section
      title={t.windows}
      actions={can("window.put") && <Button onClick={() => setNew(true)}>{t.newWindow}…</Button>}
    >
      <Card className="overflow-hidden">
        <Loaded query={windows} loading={<Loading label={t.loadingWindows} rows={2} />}>
          {(known) =>
            known.length === 0 ? (
              <Empty icon={<DoorOpen className="size-5" />} title={t.noWindows}>
                {t.noWindowsWords}
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {known.map((window) => (
                  <li
                    key={window.id}
                    className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2.5 text-sm"
                  >
                    <div className="min-w-0 flex-1 basis-56">
                      <p className="flex items-center gap-2 font-medium">
                        {window.id}
                        <Badge tone={window.kind === "allow" ? "ok" : "bad"}>{t.kinds[window.kind]}</Badge>
                      </p>
                      <p className="tabular break-words text-muted">
                        {t.opens(window.cron, window.time_zone, formatDuration(window.duration_s * 1_000))} ·{" "}
                        {window.scope === "cluster" || window.scope === "" ? t.everywhere : window.scope}
                        {window.note !== "" && ` · ${window.note}`}
                      </p>
                    </div>
                    {can("window.remove") && (
                      <Button onClick={() => setRemoved(window)}>{t.removeWindow}</Button>
                    )}
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      {isNew && (
        <Suspense fallback={null}>
          <WindowDialog onClose={() => setNew(false)} />
        </Suspense>
      )}
      {removed !== null && (
        <Confirm
          title={t.removeWindowTitle(removed.id)}
          verb={t.removeWindow}
          isDangerous
          isPending={remove.isPending}
          onConfirm={() => remove.mutate(removed, { onSettled: () => setRemoved(null) })}
          onCancel={() => setRemoved(null)}
        >
          <p>{t.removeWindowWords}</p>
        </Confirm>
      )}
    </Section>
  );
}
