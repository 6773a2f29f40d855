import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { request } from "@/api/client";
import type { EnvironmentView } from "@/api/openapi";
import { clusterQuery, environmentsQuery } from "@/api/queries";
import { errorOf, FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { CheckBox, Field, Input, Select, TextArea } from "@/components/ui/field";
import { Sheet } from "@/components/ui/sheet";
import { showDone } from "@/components/ui/toast-store";
import { formatBytes, formatCount } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { type Amount, bodyOf, draftOf, type EnvironmentDraft, NEW_SETTINGS } from "./environment-draft";
import { environmentMessages } from "./environment-messages";

interface EnvironmentWindowProps {
  /** The one that is changed; null for a new one. */
  environment: EnvironmentView | null;
  onClose: () => void;
}

/** By which names the interface speaks of what a field holds. */
const SERVER_NAMES: Record<Amount | "name" | "hosts" | "constraints" | "registry" | "requires", string[]> = {
  name: ["name"],
  hosts: ["hosts"],
  constraints: ["constraints", "constraint"],
  registry: ["registry"],
  requires: ["requires"],
  replicasMin: ["replicas_min"],
  replicasMax: ["replicas_max"],
  quotaCpus: ["quota_cpu_millis", "quota.cpu_millis"],
  quotaMemory: ["quota_memory_bytes", "quota.memory_bytes"],
  quotaReplicas: ["quota_replicas", "quota.replicas"],
  soakMinutes: ["soak_s", "soak_ms"],
  sampleS: ["sample_interval_s", "sample_interval_ms"],
};

/** A new environment, or everything of one that is there. */
export default function EnvironmentWindow({ environment, onClose }: EnvironmentWindowProps) {
  const t = useMessages(environmentMessages);
  const client = useQueryClient();
  const environments = useQuery(environmentsQuery);
  const cluster = useQuery(clusterQuery);
  const [draft, setDraft] = useState(() =>
    draftOf(environment?.name ?? "", environment?.settings ?? NEW_SETTINGS),
  );
  const change = (next: Partial<EnvironmentDraft>) => setDraft((before) => ({ ...before, ...next }));
  const { body, faults } = bodyOf(draft);
  const saving = useMutation({
    meta: { isShownInPlace: true },
    mutationFn: () => request(`/environments/${encodeURIComponent(draft.name)}`, { method: "PUT", body }),
    onSuccess: () => {
      showDone(t.saved(draft.name));
      onClose();
    },
    onSettled: () => client.invalidateQueries({ queryKey: environmentsQuery.queryKey }),
  });
  const others = (environments.data ?? []).filter(({ name }) => name !== draft.name);
  // Saving it would set everything of that one anew.
  const isTaken =
    environment === null && (environments.data ?? []).some((each) => each.is_put && each.name === draft.name);
  const known = cluster.data?.nodes.filter(({ status }) => status !== "left").map(({ name }) => name) ?? [];
  // A host that is named and gone stays to be seen, so that it can be taken out.
  const hosts = [...new Set([...known, ...draft.hosts])].sort();
  const faultOf = (field: keyof typeof SERVER_NAMES) =>
    faults.has(field as Amount)
      ? t.badAmount
      : SERVER_NAMES[field].map((name) => errorOf(saving.error, name)).find((rule) => rule !== undefined);
  const amount = (field: Amount, label: string, hint?: string) => (
    <Field label={label} {...(hint === undefined ? {} : { hint })} error={faultOf(field)}>
      {(control) => (
        <Input
          {...control}
          inputMode={field === "quotaMemory" ? "text" : "decimal"}
          value={draft[field]}
          autoComplete="off"
          className="tabular w-full"
          onInput={(event) => change({ [field]: event.currentTarget.value })}
        />
      )}
    </Field>
  );
  return (
    <Sheet
      title={environment === null ? t.newTitle : t.editTitle(environment.name)}
      description={t.note}
      onClose={onClose}
    >
      <form
        className="flex min-h-0 flex-1 flex-col"
        onSubmit={(event) => {
          event.preventDefault();
          if (draft.name !== "" && faults.size === 0 && !isTaken) saving.mutate();
        }}
      >
        <div className="flex min-h-0 flex-1 flex-col gap-6 overflow-y-auto p-4">
          {environment === null && (
            <Field label={t.name} hint={t.nameHint} error={isTaken ? t.taken : faultOf("name")}>
              {(control) => (
                <Input
                  {...control}
                  value={draft.name}
                  required
                  autoComplete="off"
                  autoCapitalize="off"
                  spellCheck={false}
                  onInput={(event) => change({ name: event.currentTarget.value })}
                />
              )}
            </Field>
          )}
          <Part title={t.where}>
            <fieldset className="flex flex-col gap-2">
              <legend className="mb-1.5 text-sm font-medium">{t.hosts}</legend>
              <div className="flex flex-wrap gap-x-6 gap-y-2">
                {hosts.map((name) => (
                  <CheckBox
                    key={name}
                    label={name}
                    isOn={draft.hosts.includes(name)}
                    onChange={(isOn) =>
                      change({
                        hosts: isOn ? [...draft.hosts, name] : draft.hosts.filter((each) => each !== name),
                      })
                    }
                  />
                ))}
              </div>
              <p className={faultOf("hosts") === undefined ? "text-xs text-muted" : "text-xs text-bad"}>
                {faultOf("hosts") ?? t.hostsHint}
              </p>
            </fieldset>
            <Field label={t.constraints} hint={t.constraintsHint} error={faultOf("constraints")}>
              {(control) => (
                <TextArea
                  {...control}
                  rows={2}
                  spellCheck={false}
                  value={draft.constraints}
                  onInput={(event) => change({ constraints: event.currentTarget.value })}
                />
              )}
            </Field>
            <Field label={t.registry} hint={t.registryHint} error={faultOf("registry")}>
              {(control) => (
                <Input
                  {...control}
                  value={draft.registry}
                  autoComplete="off"
                  spellCheck={false}
                  onInput={(event) => change({ registry: event.currentTarget.value })}
                />
              )}
            </Field>
          </Part>
          <Part title={t.before}>
            <div className="grid gap-4 sm:grid-cols-2">
              <Field label={t.requires} error={faultOf("requires")}>
                {(control) => (
                  <Select
                    {...control}
                    value={draft.requires}
                    onChange={(event) => change({ requires: event.currentTarget.value })}
                  >
                    <option value="">{t.nowhere}</option>
                    {others.map(({ name }) => (
                      <option key={name} value={name}>
                        {name}
                      </option>
                    ))}
                  </Select>
                )}
              </Field>
              {draft.requires !== "" && amount("soakMinutes", t.soak)}
            </div>
            <CheckBox
              label={t.isProtected}
              isOn={draft.isProtected}
              onChange={(isProtected) => change({ isProtected })}
            />
          </Part>
          <Part title={t.bounds} hint={t.boundsHint}>
            <div className="grid gap-4 sm:grid-cols-2">
              {amount("replicasMin", t.replicasMin, t.ofEach)}
              {amount("replicasMax", t.replicasMax, t.ofEach)}
              {amount(
                "quotaCpus",
                t.quotaCpus,
                environment === null
                  ? undefined
                  : t.reserved(formatCount(environment.used_cpu_millis / 1_000)),
              )}
              {amount(
                "quotaMemory",
                t.quotaMemory,
                environment === null
                  ? t.memoryHint
                  : `${t.memoryHint} ${t.reserved(formatBytes(environment.used_memory_bytes))}`,
              )}
              {amount(
                "quotaReplicas",
                t.quotaReplicas,
                environment === null ? undefined : t.reserved(formatCount(environment.used_replicas)),
              )}
            </div>
          </Part>
          <Part title={t.watching}>
            <CheckBox
              label={t.isAlerting}
              isOn={draft.isAlerting}
              onChange={(isAlerting) => change({ isAlerting })}
            />
            <div className="grid gap-4 sm:grid-cols-2">
              <Field label={t.alertChannel} hint={t.alertChannelHint}>
                {(control) => (
                  <Input
                    {...control}
                    value={draft.alertChannel}
                    autoComplete="off"
                    onInput={(event) => change({ alertChannel: event.currentTarget.value })}
                  />
                )}
              </Field>
              {amount("sampleS", t.sample, t.sampleHint)}
            </div>
          </Part>
          <FormError error={saving.error} fields={Object.values(SERVER_NAMES).flat()} />
        </div>
        <footer className="flex justify-end gap-2 border-t border-line px-4 py-3">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button
            type="submit"
            tone="primary"
            disabled={draft.name === "" || faults.size > 0 || isTaken || saving.isPending}
          >
            {t.save}
          </Button>
        </footer>
      </form>
    </Sheet>
  );
}

function Part({ title, hint, children }: { title: string; hint?: string; children: ReactNode }) {
  return (
    <section className="flex flex-col gap-4">
      <div>
        <h3 className="text-base font-semibold">{title}</h3>
        {hint !== undefined && <p className="text-xs text-muted">{hint}</p>}
      </div>
      {children}
    </section>
  );
}
