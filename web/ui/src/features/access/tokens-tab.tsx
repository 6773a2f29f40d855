import { useQuery } from "@tanstack/react-query";
import { KeySquare, Plus } from "lucide-react";
import { Suspense, useState } from "react";
import type { ApiTokenView, Toolset } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { meQuery } from "@/api/session";
import { Ago } from "@/components/ago";
import { FormError } from "@/components/form-error";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Card, Section } from "@/components/ui/section";
import { lazily } from "@/lib/fetched";
import { formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { tokensQuery, useRevokeToken } from "./access-queries";
import { messages } from "./messages";

const TokenWindow = lazily(() => import("./token-window"));

/** API tokens: one's own, or everybody's for administrators unless `isOwn`. */
export function TokensTab({ isOwn = false }: { isOwn?: boolean }) {
  const t = useMessages(messages);
  const can = useCan();
  const { data: me } = useQuery(meQuery);
  const query = useQuery({
    ...tokensQuery,
    select: (tokens) => (isOwn ? tokens.filter((token) => token.owner_id === me?.principal_id) : tokens),
  });
  const revoke = useRevokeToken();
  const [isMaking, setMaking] = useState(false);
  const [asked, setAsked] = useState<ApiTokenView | null>(null);
  const close = () => {
    setAsked(null);
    revoke.reset();
  };
  return (
    <Section
      title={t.tabs.tokens}
      actions={
        can("account.create-token") && (
          <Button tone="primary" onClick={() => setMaking(true)}>
            <Plus aria-hidden className="size-3.5" />
            {t.makeToken}
          </Button>
        )
      }
    >
      <Card>
        <Loaded query={query} loading={<Loading label={t.loadingTokens} />}>
          {(tokens) =>
            tokens.length === 0 ? (
              <Empty icon={<KeySquare className="size-5" />} title={t.noTokens}>
                {t.noTokensNote}
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {tokens.map((token) => (
                  <li
                    key={token.prefix}
                    className="flex min-h-12 flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2 text-sm"
                  >
                    <span className="font-medium">{token.name || token.prefix}</span>
                    <code className="font-mono text-xs text-muted">{token.prefix}</code>
                    <Badge tone={token.state === "active" ? "ok" : "neutral"}>
                      {t.states[token.state as keyof typeof t.states] ?? token.state}
                    </Badge>
                    <span>{t.roles[token.role]}</span>
                    {token.read_only && <Badge tone="neutral">{t.onlyReads}</Badge>}
                    {token.toolsets.length > 0 && (
                      <span className="text-muted">
                        {token.toolsets.map((each) => t.toolset[each as Toolset] ?? each).join(", ")}
                      </span>
                    )}
                    <span className="text-muted">
                      {t.owner}: {token.owner_name}
                    </span>
                    <span className="tabular text-muted">
                      {t.made} <Ago atMs={token.created_at_ms} />, {t.expires.toLowerCase()}{" "}
                      {token.expires_at_ms === null ? t.never : formatMoment(token.expires_at_ms)}
                    </span>
                    <span className="tabular text-muted">
                      {token.last_used_at_ms == null ? (
                        t.neverUsed
                      ) : (
                        <Ago
                          atMs={token.last_used_at_ms}
                          say={(age) => t.lastUsed(age, token.last_used_ip ?? "")}
                        />
                      )}
                    </span>
                    {token.state === "active" &&
                      (token.owner_id === me?.principal_id || can("api-token.revoke")) && (
                        <Button className="ml-auto" onClick={() => setAsked(token)}>
                          {t.revoke}
                        </Button>
                      )}
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      <Suspense fallback={null}>{isMaking && <TokenWindow onClose={() => setMaking(false)} />}</Suspense>
      {asked !== null && (
        <Confirm
          title={t.revokeTitle(asked.name || asked.prefix)}
          verb={t.revoke}
          isDangerous
          isPending={revoke.isPending}
          onCancel={close}
          onConfirm={() => revoke.mutate(asked.prefix, { onSuccess: close })}
        >
          <p>{t.revokeNote}</p>
          <FormError error={revoke.error} />
        </Confirm>
      )}
    </Section>
  );
}
