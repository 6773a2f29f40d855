import { useNavigate } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { Suspense } from "react";
import { useCan } from "@/api/permissions";
import { Page } from "@/components/page";
import { flagIn, textIn, usePageSearch } from "@/components/page-search";
import { Button } from "@/components/ui/button";
import { RouteCertificates } from "@/features/certificates/route-certificates";
import { HostsTable } from "@/features/hosts/hosts-table";
import { JoinTokensSection } from "@/features/membership/join-tokens-section";
import { ClusterLine } from "@/features/overview/cluster-line";
import { lazily } from "@/lib/fetched";
import { defineMessages, useMessages } from "@/lib/i18n";

const AddHost = lazily(() => import("@/features/membership/add-host"));
const HostSheet = lazily(() => import("@/features/hosts/host-sheet"));

const messages = defineMessages({
  en: { title: "Cluster", add: "Add a host" },
  it: { title: "Cluster", add: "Aggiungi un host" },
});

export interface ClusterSearch {
  /** The host whose details are open, by id. */
  host?: string | undefined;
  /** A host is being added. */
  add?: true | undefined;
}

function parse(raw: Record<string, unknown>): ClusterSearch {
  return { host: textIn(raw.host), add: flagIn(raw.add) };
}

/** The hosts and their parts in the cluster, how others come in, and the certificates of routes. */
export function ClusterRoute() {
  const t = useMessages(messages);
  const can = useCan();
  const navigate = useNavigate();
  const [search, change] = usePageSearch(parse);
  return (
    <Page title={t.title}>
      <div className="flex flex-col gap-6">
        <ClusterLine />
        <HostsTable
          onOpen={(host) => change({ host })}
          actions={
            can("join-token.create") && (
              <Button tone="primary" onClick={() => change({ add: true })}>
                <Plus aria-hidden className="size-3.5" />
                {t.add}
              </Button>
            )
          }
        />
        {can("join-token.read") && <JoinTokensSection />}
        <RouteCertificates />
      </div>
      <Suspense fallback={null}>
        {search.add === true && can("join-token.create") && (
          <AddHost onClose={() => change({ add: undefined })} />
        )}
        {search.host !== undefined && (
          <HostSheet
            nodeId={search.host}
            onClose={() => change({ host: undefined })}
            onContainers={(host) => void navigate({ to: "/containers", search: { host } })}
          />
        )}
      </Suspense>
    </Page>
  );
}
