import { useQuery } from "@tanstack/react-query";
import { Ticket } from "lucide-react";
import { useState } from "react";
import type { JoinTokenView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Ago } from "@/components/ago";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Card, Section } from "@/components/ui/section";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { joinTokensQuery, useRevokeJoinToken } from "./join-tokens";
import { messages } from "./messages";

/** The tokens hosts may join with. */
export function JoinTokensSection() {
  const t = useMessages(messages);
  const query = useQuery(joinTokensQuery);
  const mayRevoke = useCan()("join-token.revoke");
  const revoke = useRevokeJoinToken();
  const [asked, setAsked] = useState<JoinTokenView | null>(null);
  return (
    <Section title={t.tokens}>
      <Card>
        <Loaded query={query} loading={<Loading label={t.loading} />}>
          {(tokens) =>
            tokens.length === 0 ? (
              <Empty icon={<Ticket className="size-5" />} title={t.noTokens}>
                {t.noTokensNote}
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {tokens.map((token) => (
                  <li
                    key={token.id}
                    className="flex min-h-12 flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2 text-sm"
                  >
                    <code className="font-mono">{token.id}</code>
                    <Badge tone={token.state === "active" ? "accent" : "neutral"}>
                      {t.states[token.state as keyof typeof t.states] ?? token.state}
                    </Badge>
                    <span className="tabular text-muted">
                      {t.left(token.uses_left)}, {t.until(formatMoment(token.expires_at_ms))}
                    </span>
                    <span className="tabular ml-auto text-muted">
                      <Ago atMs={token.created_at_ms} say={(age) => t.by(token.created_by, age)} />
                    </span>
                    {mayRevoke && token.state === "active" && (
                      <Button onClick={() => setAsked(token)}>{t.revoke}</Button>
                    )}
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      {asked !== null && (
        <Confirm
          title={t.revokeTitle(asked.id)}
          verb={t.revoke}
          isDangerous
          isPending={revoke.isPending}
          onCancel={() => setAsked(null)}
          onConfirm={() => revoke.mutate(asked.id, { onSettled: () => setAsked(null) })}
        >
          <p>{t.revokeNote}</p>
        </Confirm>
      )}
    </Section>
  );
}
