import type { UseQueryResult } from "@tanstack/react-query";
import type { ReachView } from "@/api/openapi";
import { Loaded } from "@/components/loaded";
import { Loading } from "@/components/states";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

const SHOWN = 12;

/** What somebody sees and can do: these containers, these services, these actions. */
export function Reach({ query }: { query: UseQueryResult<ReachView> }) {
  const t = useMessages(messages);
  return (
    <Loaded query={query} loading={<Loading label={t.previewing} rows={3} />}>
      {(reach) => (
        <div className="flex flex-col gap-3 text-sm" aria-live="polite">
          <Names
            title={t.reaches(reach.container_count, reach.containers_of_all)}
            names={reach.containers}
            count={reach.container_count}
          />
          <Names
            title={t.reachesServices(reach.service_count, reach.services_of_all)}
            names={reach.services}
            count={reach.service_count}
          />
          <details>
            <summary className="tabular cursor-pointer font-medium">{t.canDo(reach.actions.length)}</summary>
            <p className="mt-1 font-mono text-xs leading-5 break-words text-muted">
              {reach.actions.join(" · ")}
            </p>
          </details>
        </div>
      )}
    </Loaded>
  );
}

function Names({ title, names, count }: { title: string; names: readonly string[]; count: number }) {
  const t = useMessages(messages);
  const shown = names.slice(0, SHOWN);
  return (
    <div>
      <p className="tabular font-medium">{title}</p>
      {count > 0 && (
        <ul className="mt-1 flex flex-wrap gap-1">
          {shown.map((name) => (
            <li key={name} className="rounded bg-hover px-1.5 font-mono text-xs leading-5 break-all">
              {name}
            </li>
          ))}
          {count > shown.length && (
            <li className="text-xs leading-5 text-muted">{t.andMore(count - shown.length)}</li>
          )}
        </ul>
      )}
    </div>
  );
}
