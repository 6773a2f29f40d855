import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { DeployedService, DeploymentView } from "@/api/openapi";
import { environmentsQuery, rolloutsQuery, servicesQuery } from "@/api/queries";
import { Failed } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { CheckBox, Field, Select } from "@/components/ui/field";
import { Card } from "@/components/ui/section";
import { Sheet } from "@/components/ui/sheet";
import { showDone } from "@/components/ui/toast-store";
import { useMessages } from "@/lib/i18n";
import { promote } from "./deploy-queries";
import { messages } from "./messages";
import { planOf } from "./plan";
import { PlanView, ReachView } from "./plan-view";

interface PromoteSheetProps {
  to: string;
  onClose: () => void;
  onPromoted: (services: readonly DeployedService[]) => void;
}

/** What is stable in one environment, to another: what would change there, and go. */
export default function PromoteSheet({ to, onClose, onPromoted }: PromoteSheetProps) {
  const t = useMessages(messages);
  const client = useQueryClient();
  const environments = useQuery(environmentsQuery);
  const [from, setFrom] = useState("");
  const [what, setWhat] = useState("");
  const [copiesValues, setCopiesValues] = useState(false);
  const [isAsked, setAsked] = useState(false);
  const required = environments.data?.find(({ name }) => name === to)?.settings.requires ?? "";
  const source = environments.data?.find(({ name }) => name === (from || required));
  const services = source?.services ?? [];
  const projects = [...new Set(services.map(projectOf))].sort();
  const body = { what, to, from_environment: from, copy_values: copiesValues };
  const planning = useMutation({
    mutationFn: () => promote({ ...body, dry_run: true }),
    meta: { isShownInPlace: true },
  });
  const going = useMutation({
    mutationFn: () => promote(body),
    onSuccess: (view: DeploymentView) => {
      showDone(t.promoted(what, to));
      onPromoted(view.services);
    },
    onSettled: () => {
      setAsked(false);
      void client.invalidateQueries({ queryKey: environmentsQuery.queryKey });
      void client.invalidateQueries({ queryKey: rolloutsQuery.queryKey });
      void client.invalidateQueries({ queryKey: servicesQuery.queryKey });
    },
  });
  const plan = planning.data === undefined ? null : planOf(planning.data);
  const changes = plan?.services.some(({ kind }) => kind !== "unchanged") ?? false;
  return (
    <Sheet title={t.promoteTitle(to)} description={t.promoteHint} onClose={onClose} isWide>
      <div className="flex flex-1 flex-col gap-4 overflow-y-auto p-4">
        <form
          className="flex flex-col gap-4"
          onSubmit={(event) => {
            event.preventDefault();
            if (what !== "") planning.mutate();
          }}
        >
          <div className="grid gap-4 sm:grid-cols-2">
            <Field label={t.promoteFrom}>
              {(control) => (
                <Select
                  {...control}
                  value={from}
                  onChange={(event) => {
                    setFrom(event.currentTarget.value);
                    setWhat("");
                    planning.reset();
                  }}
                >
                  <option value="">{required === "" ? t.choose : t.asRequired(required)}</option>
                  {(environments.data ?? [])
                    .filter(({ name }) => name !== to)
                    .map(({ name }) => (
                      <option key={name} value={name}>
                        {name}
                      </option>
                    ))}
                </Select>
              )}
            </Field>
            <Field label={t.promoteWhat}>
              {(control) => (
                <Select
                  {...control}
                  value={what}
                  onChange={(event) => {
                    setWhat(event.currentTarget.value);
                    planning.reset();
                  }}
                >
                  <option value="">{t.choose}</option>
                  {[...projects, ...services].map((name) => (
                    <option key={name} value={name}>
                      {name}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
          </div>
          <CheckBox
            label={t.copyValues}
            isOn={copiesValues}
            onChange={(isOn) => {
              setCopiesValues(isOn);
              planning.reset();
            }}
          />
          <div className="flex justify-end gap-2">
            <Button type="submit" disabled={what === "" || planning.isPending}>
              {t.promotePlan}
            </Button>
            <Button
              tone="primary"
              disabled={plan === null || plan.errors > 0 || !changes || going.isPending}
              onClick={() => setAsked(true)}
            >
              {t.promote}
            </Button>
          </div>
        </form>
        {planning.isError && (
          <Card>
            <Failed error={planning.error} onRetry={() => planning.mutate()} />
          </Card>
        )}
        {plan !== null && (
          <>
            {changes && (
              <Card className="p-4">
                <ReachView reach={plan.reach} />
              </Card>
            )}
            <PlanView plan={plan} />
          </>
        )}
      </div>
      {isAsked && plan !== null && (
        <Confirm
          title={t.promoteConfirm(what, to)}
          verb={t.promote}
          isDangerous={plan.reach.drops.length > 0}
          isPending={going.isPending}
          onConfirm={() => going.mutate()}
          onCancel={() => setAsked(false)}
        >
          <p>{t.deployWords(plan.reach.services, plan.reach.hosts.length)}</p>
        </Confirm>
      )}
    </Sheet>
  );
}

/** Of the id of a service: `project.name`, in an environment `environment.project.name`. */
function projectOf(id: string): string {
  return id.split(".").at(-2) ?? "";
}
