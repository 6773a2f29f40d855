import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { SearchX } from "lucide-react";
import { type ReactNode, Suspense, useState } from "react";
import type { ContainerView } from "@/api/openapi";
import { type ContainerList, containersQuery } from "@/api/queries";
import { Loaded } from "@/components/loaded";
import { Page } from "@/components/page";
import { Empty, Loading } from "@/components/states";
import { LinkButton } from "@/components/ui/link-button";
import { lazily } from "@/lib/fetched";
import { shortId } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { ContainerHeader } from "./container-header";
import type { ContainerSearch } from "./container-search";
import { ContainerTabs } from "./container-tabs";
import { messages } from "./messages";
import type { Planned } from "./recreate";

const RecreateWindow = lazily(() => import("./recreate-window"));

interface ContainerPageProps {
  /** Id or name of the host. */
  node: string;
  /** Id, beginning of an id, or name. */
  reference: string;
  search: ContainerSearch;
  onSearch: (next: Partial<ContainerSearch>, options?: { replace?: boolean }) => void;
  /** What other features know of it: its state in words, what can be done to it, what it writes. */
  state: (container: ContainerView) => ReactNode;
  actions: (container: ContainerView) => ReactNode;
  logs: (container: ContainerView) => ReactNode;
}

/** One container and everything about it. */
export function ContainerPage({
  node,
  reference,
  search,
  onSearch,
  state,
  actions,
  logs,
}: ContainerPageProps) {
  const t = useMessages(messages);
  const query = useQuery(containersQuery);
  // Kept here: while it is carried out the container becomes another one.
  const [planned, setPlanned] = useState<Planned | null>(null);
  const container = query.data === undefined ? undefined : foundIn(query.data, node, reference);
  const problem = query.data?.problems.find((each) => each.node_id === container?.node_id)?.reason ?? "";
  const name = container?.name ?? nameOf(reference);
  return (
    <Page
      title={name}
      above={
        <Link to="/containers" className="hover:underline">
          {t.containers}
        </Link>
      }
      actions={container === undefined ? undefined : actions(container)}
    >
      <Loaded query={query} loading={<Loading label={t.loading} rows={12} />}>
        {() =>
          container === undefined ? (
            <Empty icon={<SearchX className="size-5" />} title={t.gone}>
              <p className="mb-3">{t.goneText(name)}</p>
              <LinkButton to="/containers">{t.toList}</LinkButton>
            </Empty>
          ) : (
            <>
              <ContainerHeader container={container} state={state(container)} problem={problem} />
              <ContainerTabs
                key={container.id}
                container={container}
                search={search}
                onSearch={onSearch}
                logs={logs(container)}
                onPlanned={setPlanned}
              />
            </>
          )
        }
      </Loaded>
      {planned !== null && (
        <Suspense fallback={null}>
          <RecreateWindow planned={planned} onClose={() => setPlanned(null)} />
        </Suspense>
      )}
    </Page>
  );
}

const PREFIX_MIN = 4;

/** The container of that id, name or beginning of an id on that host. */
export function foundIn(
  { containers }: ContainerList,
  node: string,
  reference: string,
): ContainerView | undefined {
  const here = containers.filter((each) => each.node_id === node || each.node_name === node);
  return (
    here.find((each) => each.id === reference || each.name === reference) ??
    (reference.length < PREFIX_MIN ? undefined : here.find((each) => each.id.startsWith(reference)))
  );
}

function nameOf(reference: string): string {
  return /^[0-9a-f]{64}$/.test(reference) ? shortId(reference) : reference;
}
