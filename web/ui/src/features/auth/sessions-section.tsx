import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Monitor, Smartphone, SquareTerminal } from "lucide-react";
import { useState } from "react";
import type { SessionView } from "@/api/openapi";
import { Ago } from "@/components/ago";
import { Loaded } from "@/components/loaded";
import { Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Card, Section } from "@/components/ui/section";
import { showDone } from "@/components/ui/toast-store";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./account-messages";
import { endOtherSessions, endSession, sessionsQuery } from "./account-queries";

/** One's own logins that live: with what, from where, since when; and their end. */
export function SessionsSection() {
  const t = useMessages(messages);
  const client = useQueryClient();
  const query = useQuery(sessionsQuery);
  const [asked, setAsked] = useState<SessionView | "others" | null>(null);
  const end = useMutation({
    mutationFn: async (which: SessionView | "others") => {
      if (which === "others") return (await endOtherSessions()).ended;
      await endSession(which.id);
      return 1;
    },
    onSuccess: (count) => showDone(t.ended(count)),
    onSettled: () => {
      setAsked(null);
      return client.invalidateQueries({ queryKey: sessionsQuery.queryKey });
    },
  });
  const count = query.data?.length ?? 0;
  return (
    <Section
      title={t.sessions}
      note={query.data === undefined ? undefined : t.sessionsNote(count)}
      actions={count > 1 && <Button onClick={() => setAsked("others")}>{t.endOthers}</Button>}
    >
      <Card>
        <Loaded query={query} loading={<Loading label={t.sessionsLoading} rows={3} />}>
          {(sessions) => (
            <ul className="divide-y divide-line">
              {sessions.map((session) => (
                <Session key={session.id} session={session} onEnd={() => setAsked(session)} />
              ))}
            </ul>
          )}
        </Loaded>
      </Card>
      {asked !== null && (
        <Confirm
          title={asked === "others" ? t.endOthersTitle : t.endTitle(nameOf(asked, t))}
          verb={asked === "others" ? t.endOthers : t.end}
          isDangerous
          isPending={end.isPending}
          onCancel={() => setAsked(null)}
          onConfirm={() => end.mutate(asked)}
        >
          <p>{asked === "others" ? t.endOthersNote : t.endNote}</p>
        </Confirm>
      )}
    </Section>
  );
}

function Session({ session, onEnd }: { session: SessionView; onEnd: () => void }) {
  const t = useMessages(messages);
  const Icon = session.kind === "mobile" ? Smartphone : session.kind === "program" ? SquareTerminal : Monitor;
  return (
    <li className="flex min-h-14 items-center gap-3 px-4 py-2 text-sm">
      <Icon aria-hidden className="size-4 shrink-0 text-muted" />
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-x-2 gap-y-1">
          <span className="font-medium" title={session.user_agent}>
            {nameOf(session, t)}
          </span>
          {session.is_current && <Badge tone="accent">{t.thisOne}</Badge>}
          <span className="tabular text-muted">{session.ip}</span>
        </p>
        <p className="tabular text-xs text-muted">
          <Ago atMs={session.last_used_at_ms} say={t.used} /> · {t.begun(formatMoment(session.started_at_ms))}
          {session.provider !== "" && ` · ${t.through(session.provider)}`}
        </p>
      </div>
      {!session.is_current && <Button onClick={onEnd}>{t.end}</Button>}
    </li>
  );
}

interface Words {
  program: string;
  unknownDevice: string;
  on: (browser: string, system: string) => string;
}

function nameOf(session: SessionView, t: Words): string {
  if (session.browser === "") return session.kind === "program" ? t.program : t.unknownDevice;
  return session.system === "" ? session.browser : t.on(session.browser, session.system);
}
