import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { request } from "@/api/client";
import type { ContainerView, LimitsBody, LimitsChanged, SettingsView } from "@/api/openapi";
import { Button } from "@/components/ui/button";
import { Field, Input, Select } from "@/components/ui/field";
import { Card, Section } from "@/components/ui/section";
import { showDone } from "@/components/ui/toast-store";
import { bytesText } from "@/lib/amounts";
import { useMessages } from "@/lib/i18n";
import { useCanHere } from "./can-here";
import { pathOf, settingsQuery } from "./container-queries";
import { type LimitsDraft, type LimitsFault, limitChanges } from "./limits-draft";
import { messages } from "./settings-messages";

const POLICIES = ["no", "on-failure", "unless-stopped", "always"] as const;

interface LimitsFormProps {
  container: ContainerView;
  settings: SettingsView;
}

/** What applies while the container runs on. */
export function LimitsForm({ container, settings }: LimitsFormProps) {
  const t = useMessages(messages);
  const can = useCanHere(container);
  const client = useQueryClient();
  const { limits } = settings;
  const kept: LimitsDraft = {
    memory: bytesText(limits.memory_bytes),
    reservation: bytesText(limits.memory_reservation_bytes),
    cpus: limits.cpus?.toString() ?? "",
    shares: limits.cpu_shares?.toString() ?? "",
    pids: limits.pids?.toString() ?? "",
    restart: limits.restart_policy ?? "no",
    restartsMax: limits.restarts_max.toString(),
  };
  const [typed, setTyped] = useState<Partial<LimitsDraft>>({});
  const draft = { ...kept, ...typed };
  const { changes, faults } = limitChanges(kept, draft);
  const saving = useMutation({
    mutationFn: (body: Partial<LimitsBody>) =>
      request<LimitsChanged>(pathOf(container, "/settings"), {
        method: "PATCH",
        body,
        query: { node: container.node_id },
      }),
    onSuccess: ({ warnings }) => {
      setTyped({});
      showDone(t.applied, warnings.join(". "));
    },
    onSettled: () => client.invalidateQueries({ queryKey: settingsQuery(container).queryKey }),
  });
  const mayChange = can("container.update") && settings.refusal === "";
  const isChanged = Object.keys(changes).length > 0;
  const hasFault = Object.keys(faults).length > 0;
  const words: Record<LimitsFault, string> = {
    amount: t.badAmount,
    number: t.badNumber,
    small: t.tooSmall,
    removed: t.cannotRemove,
  };
  const text = (key: keyof LimitsDraft, label: string, hint: string) => (
    <Field label={label} hint={hint} error={faults[key] === undefined ? undefined : words[faults[key]]}>
      {(control) => (
        <Input
          {...control}
          value={draft[key]}
          placeholder={t.noLimit}
          disabled={!mayChange}
          autoComplete="off"
          inputMode={key === "memory" || key === "reservation" ? "text" : "decimal"}
          onChange={(event) => setTyped({ ...typed, [key]: event.currentTarget.value })}
          className="tabular w-full"
        />
      )}
    </Field>
  );
  return (
    <Section title={t.atOnce} note={t.atOnceNote}>
      <Card className="p-4">
        <form
          onSubmit={(event: FormEvent) => {
            event.preventDefault();
            if (isChanged && !hasFault) saving.mutate(changes);
          }}
        >
          <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3">
            {text("memory", t.memory, t.memoryHint)}
            {text("reservation", t.reservation, t.reservationHint)}
            {text("cpus", t.cpus, t.cpusHint)}
            {text("shares", t.shares, t.sharesHint)}
            {text("pids", t.pids, t.pidsHint)}
            <Field label={t.restart}>
              {(control) => (
                <Select
                  {...control}
                  value={draft.restart}
                  disabled={!mayChange}
                  onChange={(event) => setTyped({ ...typed, restart: event.currentTarget.value })}
                  className="w-full"
                >
                  {POLICIES.map((policy) => (
                    <option key={policy} value={policy}>
                      {t.policies[policy]}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
            {draft.restart === "on-failure" && text("restartsMax", t.restartMax, "")}
          </div>
          {mayChange && (
            <Button
              type="submit"
              tone="primary"
              className="mt-4"
              disabled={!isChanged || hasFault || saving.isPending}
            >
              {t.apply}
            </Button>
          )}
        </form>
      </Card>
    </Section>
  );
}
