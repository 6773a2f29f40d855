import { useQuery } from "@tanstack/react-query";
import { Package, Plus } from "lucide-react";
import { useState } from "react";
import type { RegistryView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Empty, Loading } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Card, Section } from "@/components/ui/section";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { FormWindow, TextField, useDraft } from "./receiver-form";
import { registriesQuery, usePut, useRemove } from "./receivers";

/** The registries hosts log in to for images. */
export function RegistriesTab() {
  const t = useMessages(messages);
  const can = useCan();
  const query = useQuery(registriesQuery);
  const [isAdding, setAdding] = useState(false);
  const [gone, setGone] = useState<RegistryView | null>(null);
  const remove = useRemove();
  return (
    <Section
      title={t.tabs.registries}
      actions={
        can("registry.login") && (
          <Button tone="primary" onClick={() => setAdding(true)}>
            <Plus aria-hidden className="size-3.5" />
            {t.addRegistry}
          </Button>
        )
      }
    >
      <Card>
        <Loaded query={query} loading={<Loading label={t.loadingRegistries} />}>
          {(registries) =>
            registries.length === 0 ? (
              <Empty icon={<Package className="size-5" />} title={t.noRegistries}>
                {t.noRegistriesNote}
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {registries.map((each) => (
                  <li
                    key={each.registry}
                    className="flex min-h-12 flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2 text-sm"
                  >
                    <span className="font-medium">{each.registry}</span>
                    <span className="text-muted">{t.asUser(each.username)}</span>
                    {each.problem !== null && (
                      <Status tone="warn">
                        <Sentence text={each.problem} />
                      </Status>
                    )}
                    {can("registry.logout") && (
                      <Button className="ml-auto" onClick={() => setGone(each)}>
                        {t.remove}
                      </Button>
                    )}
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      {isAdding && <LoginForm onClose={() => setAdding(false)} />}
      {gone !== null && (
        <Confirm
          title={t.removeTitle(gone.registry)}
          verb={t.remove}
          isDangerous
          isPending={remove.isPending}
          onCancel={() => setGone(null)}
          onConfirm={() =>
            remove.mutate({ kind: "registries", name: gone.registry }, { onSettled: () => setGone(null) })
          }
        >
          <p>{t.removeRegistryNote}</p>
        </Confirm>
      )}
    </Section>
  );
}

function LoginForm({ onClose }: { onClose: () => void }) {
  const t = useMessages(messages);
  const put = usePut();
  const [draft, change] = useDraft({ name: "", username: "", password: "" });
  return (
    <FormWindow
      title={t.addRegistry}
      error={put.error}
      isPending={put.isPending}
      onSubmit={() =>
        put.mutate(
          {
            kind: "registries",
            name: draft.name,
            body: { username: draft.username, password: draft.password },
          },
          { onSuccess: onClose },
        )
      }
      onClose={onClose}
    >
      <TextField
        label={t.registry}
        hint={t.registryHint}
        isRequired
        value={draft.name}
        onChange={(name) => change({ name })}
      />
      <TextField
        label={t.username}
        isRequired
        value={draft.username}
        onChange={(username) => change({ username })}
      />
      <TextField
        label={t.password}
        type="password"
        isRequired
        value={draft.password}
        onChange={(password) => change({ password })}
      />
    </FormWindow>
  );
}
