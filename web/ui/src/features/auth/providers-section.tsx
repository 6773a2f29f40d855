import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { IdCard, Plus } from "lucide-react";
import { Suspense, useState } from "react";
import type { ProviderView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Card, Section } from "@/components/ui/section";
import { showDone } from "@/components/ui/toast-store";
import { lazily } from "@/lib/fetched";
import { useMessages } from "@/lib/i18n";
import { messages } from "./provider-messages";
import { adminProvidersQuery, checkProvider, removeProvider } from "./provider-queries";

const ProviderWindow = lazily(() => import("./provider-window"));

/** Who else may say who somebody is. For those who may see it; others see nothing of it. */
export function ProvidersSection() {
  const can = useCan();
  return can("provider.read") ? <Providers /> : null;
}

function Providers() {
  const t = useMessages(messages);
  const can = useCan();
  const client = useQueryClient();
  const query = useQuery(adminProvidersQuery);
  const [edited, setEdited] = useState<ProviderView | "new" | null>(null);
  const [asked, setAsked] = useState<ProviderView | null>(null);
  const remove = useMutation({
    mutationFn: (provider: ProviderView) => removeProvider(provider.id),
    onSuccess: (_, provider) => showDone(t.removed(provider.label)),
    onSettled: () => {
      setAsked(null);
      return client.invalidateQueries({ queryKey: adminProvidersQuery.queryKey });
    },
  });
  return (
    <Section
      title={t.title}
      note={t.note}
      actions={
        can("provider.put") && (
          <Button onClick={() => setEdited("new")}>
            <Plus aria-hidden className="size-3.5" />
            {t.add}
          </Button>
        )
      }
    >
      <Card>
        <Loaded query={query} loading={<Loading label={t.loading} />}>
          {(providers) =>
            providers.length === 0 ? (
              <Empty icon={<IdCard className="size-5" />} title={t.none}>
                {t.noneNote}
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {providers.map((provider) => (
                  <Provider
                    key={provider.id}
                    provider={provider}
                    onEdit={() => setEdited(provider)}
                    onRemove={() => setAsked(provider)}
                  />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      <Suspense fallback={null}>
        {edited !== null && (
          <ProviderWindow provider={edited === "new" ? null : edited} onClose={() => setEdited(null)} />
        )}
      </Suspense>
      {asked !== null && (
        <Confirm
          title={t.removeTitle(asked.label)}
          verb={t.remove}
          isDangerous
          isPending={remove.isPending}
          onCancel={() => setAsked(null)}
          onConfirm={() => remove.mutate(asked)}
        >
          <p>{t.removeNote(asked.accounts)}</p>
        </Confirm>
      )}
    </Section>
  );
}

interface ProviderProps {
  provider: ProviderView;
  onEdit: () => void;
  onRemove: () => void;
}

function Provider({ provider, onEdit, onRemove }: ProviderProps) {
  const t = useMessages(messages);
  const can = useCan();
  const check = useMutation({
    mutationFn: () => checkProvider(provider.id),
    onSuccess: (found) => showDone(t.works, t.worksNote(found.keys)),
  });
  return (
    <li className="flex min-h-14 flex-wrap items-center gap-x-3 gap-y-2 px-4 py-2 text-sm">
      <div className="min-w-0 flex-1 basis-64">
        <p className="flex flex-wrap gap-x-2">
          <span className="font-medium">{provider.label}</span>
          <span className="min-w-0 break-all text-muted">{provider.issuer}</span>
        </p>
        <p className="text-xs text-muted">
          <span className={provider.roles.length === 0 ? "text-warn" : undefined}>
            {t.mapped(provider.roles.length)}
          </span>{" "}
          · {t.accounts(provider.accounts)}
        </p>
      </div>
      <div className="flex flex-wrap gap-2">
        <Button disabled={check.isPending} onClick={() => check.mutate()}>
          {check.isPending ? t.checking : t.check}
        </Button>
        {can("provider.put") && <Button onClick={onEdit}>{t.edit}</Button>}
        {can("provider.remove") && <Button onClick={onRemove}>{t.remove}</Button>}
      </div>
    </li>
  );
}
