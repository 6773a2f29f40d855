import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { ListChecks, Pencil } from "lucide-react";
import { putRule, rulesQuery } from "@/api/alerts";
import type { RuleView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { SEVERITY_TONES } from "@/components/tones";
import { Badge, Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { Card } from "@/components/ui/section";
import { showDone } from "@/components/ui/toast-store";
import { cn } from "@/lib/cn";
import { textsOf, useMessages } from "@/lib/i18n";
import { metricName } from "@/lib/metric-names";
import type { AlertsSearch } from "./alerts-search";
import { messages } from "./messages";

interface RulesProps {
  search: AlertsSearch;
  onSearch: (next: Partial<AlertsSearch>, options?: { replace?: boolean }) => void;
}

/** What people are told of. */
export function Rules({ search, onSearch }: RulesProps) {
  const t = useMessages(messages);
  const query = useQuery(rulesQuery);
  const text = (search.q ?? "").toLowerCase();
  return (
    <>
      <Input
        type="search"
        aria-label={t.searchRules}
        placeholder={t.searchRules}
        value={search.q ?? ""}
        onInput={(event) => onSearch({ q: event.currentTarget.value || undefined }, { replace: true })}
        className="w-64 max-w-full"
      />
      <Card>
        <Loaded query={query} loading={<Loading label={t.loading} rows={8} />}>
          {(rules) => {
            const shown = rules.filter((rule) =>
              [rule.id, summaryOf(rule), rule.settings.metric].join(" ").toLowerCase().includes(text),
            );
            return shown.length === 0 ? (
              <Empty icon={<ListChecks className="size-5" />} title={t.rulesNone} />
            ) : (
              <ul className="divide-y divide-line">
                {shown.map((rule) => (
                  <Row key={rule.id} rule={rule} onEdit={() => onSearch({ rule: rule.id })} />
                ))}
              </ul>
            );
          }}
        </Loaded>
      </Card>
    </>
  );
}

/** What a rule is about; those that came with the product in the language that is shown. */
export function summaryOf(rule: RuleView): string {
  const t = textsOf(messages);
  return (rule.is_changed ? undefined : t.builtInRules[rule.id]) ?? rule.settings.summary;
}

function Row({ rule, onEdit }: { rule: RuleView; onEdit: () => void }) {
  const t = useMessages(messages);
  const can = useCan();
  const client = useQueryClient();
  const { settings } = rule;
  const flip = useMutation({
    mutationFn: () => putRule(rule.id, { ...settings, enabled: !settings.enabled }),
    onSuccess: (changed) => {
      const words = textsOf(messages);
      showDone(changed.settings.enabled ? words.switchedOn(rule.id) : words.switchedOff(rule.id));
    },
    onSettled: () => client.invalidateQueries({ queryKey: rulesQuery.queryKey }),
  });
  const origin = rule.is_built_in ? (rule.is_changed ? t.changed : t.builtIn) : t.own;
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-2.5">
      <div className={cn("min-w-0 flex-1 basis-72", !settings.enabled && "text-muted")}>
        <p className="flex flex-wrap items-baseline gap-x-2">
          <span className="font-medium">{rule.id}</span>
          <span className="min-w-0 text-sm break-words text-muted">{summaryOf(rule)}</span>
        </p>
        <p className="tabular mt-0.5 flex flex-wrap items-center gap-x-3 text-xs text-muted">
          <Status tone={SEVERITY_TONES[settings.severity] ?? "neutral"}>
            {t.severities[settings.severity]}
          </Status>
          <span>
            {t.kindsOfRule[settings.kind]}
            {settings.metric !== "" && `: ${metricName(settings.metric)}`}
          </span>
          <span>{origin}</span>
        </p>
      </div>
      {rule.open_alerts > 0 && <Badge tone="warn">{t.openCount(rule.open_alerts)}</Badge>}
      {!settings.enabled && <Badge>{t.disabled}</Badge>}
      {can("alert-rule.put") && (
        <div className="flex gap-1">
          <Button disabled={flip.isPending} onClick={() => flip.mutate()}>
            {settings.enabled ? t.disable : t.enable}
          </Button>
          <Button tone="ghost" isIcon aria-label={t.edit(rule.id)} onClick={onEdit}>
            <Pencil aria-hidden className="size-3.5" />
          </Button>
        </div>
      )}
    </li>
  );
}
