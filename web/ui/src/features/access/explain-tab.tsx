import { useQuery } from "@tanstack/react-query";
import { Eye } from "lucide-react";
import { useId, useState } from "react";
import type { ExplanationView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Empty, Loading } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Field, Input, Select } from "@/components/ui/field";
import { Card, Section } from "@/components/ui/section";
import { useMessages } from "@/lib/i18n";
import {
  actionsQuery,
  explainQuery,
  reachQuery,
  rolesQuery,
  tokensQuery,
  usersQuery,
} from "./access-queries";
import { messages } from "./messages";
import { Reach } from "./reach";

interface ExplainTabProps {
  /** As the interface takes it: an account's name, `token:<prefix>`, `role:<name>`. */
  principal: string;
  action: string;
  resource: string;
  onChange: (next: { principal?: string; action?: string; resource?: string }) => void;
}

/** What somebody reaches, and why they may or may not do one thing. */
export function ExplainTab({ principal, action, resource, onChange }: ExplainTabProps) {
  const t = useMessages(messages);
  return (
    <div className="grid items-start gap-6 lg:grid-cols-2">
      <Section title={t.viewAs} note={t.viewAsNote}>
        <Card className="flex flex-col gap-4 p-4">
          <Who value={principal} onChange={(chosen) => onChange({ principal: chosen })} />
          <ViewAs principal={principal} />
        </Card>
      </Section>
      <Section title={t.explainTitle}>
        <Card className="flex flex-col gap-4 p-4">
          <Asking principal={principal} action={action} resource={resource} onChange={onChange} />
        </Card>
      </Section>
    </div>
  );
}

function Who({ value, onChange }: { value: string; onChange: (principal: string) => void }) {
  const t = useMessages(messages);
  const can = useCan();
  const users = useQuery({ ...usersQuery, enabled: can("user.read") });
  const roles = useQuery({ ...rolesQuery, enabled: can("role.read") });
  const tokens = useQuery(tokensQuery);
  return (
    <Field label={t.who}>
      {(control) => (
        <Select {...control} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
          <option value="me">{t.you}</option>
          <optgroup label={t.rolesTitle}>
            {(roles.data ?? [{ name: "viewer" }, { name: "operator" }, { name: "admin" }]).map((each) => (
              <option key={each.name} value={`role:${each.name}`}>
                {each.name}
              </option>
            ))}
          </optgroup>
          <optgroup label={t.whoAccount}>
            {users.data?.map((each) => (
              <option key={each.id} value={each.name}>
                {each.name}
              </option>
            ))}
          </optgroup>
          {can("user.read") && (
            <optgroup label={t.whoToken}>
              {tokens.data
                ?.filter((each) => each.state === "active")
                .map((each) => (
                  <option key={each.prefix} value={`token:${each.prefix}`}>
                    {each.name || each.prefix}
                  </option>
                ))}
            </optgroup>
          )}
        </Select>
      )}
    </Field>
  );
}

function ViewAs({ principal }: { principal: string }) {
  return <Reach query={useQuery(reachQuery(principal))} />;
}

function Asking({ principal, action, resource, onChange }: ExplainTabProps) {
  const t = useMessages(messages);
  const can = useCan();
  const listId = useId();
  const { data: actions } = useQuery({ ...actionsQuery, enabled: can("role.read") });
  const [typedAction, setAction] = useState(action);
  const [typedResource, setResource] = useState(resource);
  return (
    <>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          onChange({ action: typedAction.trim(), resource: typedResource.trim() });
        }}
      >
        <Field label={t.action}>
          {(control) => (
            <Input
              {...control}
              list={listId}
              required
              placeholder="container.restart"
              value={typedAction}
              spellCheck={false}
              onChange={(event) => setAction(event.currentTarget.value)}
            />
          )}
        </Field>
        <datalist id={listId}>
          {actions?.map((each) => (
            <option key={each.name} value={each.name} />
          ))}
        </datalist>
        <Field label={t.resource} hint={t.resourceHint}>
          {(control) => (
            <Input
              {...control}
              value={typedResource}
              spellCheck={false}
              onChange={(event) => setResource(event.currentTarget.value)}
            />
          )}
        </Field>
        <Button type="submit" className="self-start">
          {t.explain}
        </Button>
      </form>
      {action === "" ? (
        <Empty icon={<Eye className="size-5" />} title={t.pickSomebody} />
      ) : (
        <Answer principal={principal} action={action} resource={resource} />
      )}
    </>
  );
}

function Answer(asked: { principal: string; action: string; resource: string }) {
  const t = useMessages(messages);
  const query = useQuery(explainQuery(asked));
  return (
    <Loaded query={query} loading={<Loading label={t.explain} rows={2} />}>
      {(told) => (
        <div role="status" className="rounded-lg border border-line p-3 text-sm">
          <p className="flex flex-wrap items-center gap-2 text-base font-medium">
            <Status tone={told.allowed ? "ok" : "bad"}>{told.allowed ? t.yes : t.no}</Status>
            <span className="font-mono text-sm font-normal">
              {told.principal} · {told.action} · {told.resource}
            </span>
          </p>
          <p className="mt-1">
            <Sentence text={told.reason} />
          </p>
          <LookedAt told={told} />
        </div>
      )}
    </Loaded>
  );
}

function LookedAt({ told }: { told: ExplanationView }) {
  const t = useMessages(messages);
  const labels = Object.entries(told.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  const parts = [
    [t.rule, told.rule],
    [t.scope.projects, told.project],
    [t.scope.services, told.service],
    [t.scope.nodes, told.node],
    [t.scope.environments, told.environment],
    [t.labels, labels.join(", ")],
  ].filter((part): part is [string, string] => part[1] !== null && part[1] !== "");
  if (parts.length === 0) return null;
  return (
    <dl className="mt-2 grid grid-cols-[auto_1fr] gap-x-3 gap-y-0.5 text-xs">
      {parts.map(([title, text]) => (
        <div key={title} className="contents">
          <dt className="text-muted">{title}</dt>
          <dd className="font-mono break-all">{text}</dd>
        </div>
      ))}
    </dl>
  );
}
