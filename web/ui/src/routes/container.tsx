import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { EllipsisVertical } from "lucide-react";
import { Suspense, useState } from "react";
import type { ContainerView } from "@/api/openapi";
import { usePageSearch } from "@/components/page-search";
import { Loading } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { MenuButton } from "@/components/ui/menu-button";
import { useCanHere } from "@/features/container/can-here";
import { ContainerPage } from "@/features/container/container-page";
import { parseContainerSearch } from "@/features/container/container-search";
import { messages as actionMessages } from "@/features/containers/action-messages";
import {
  type ContainerRequest,
  needsAsking,
  useContainerAction,
  type Verb,
  verbsOf,
} from "@/features/containers/container-actions";
import { stateOf } from "@/features/containers/container-state";
import { VERB_ICONS } from "@/features/containers/row-actions";
import type { LogsSearch } from "@/features/logs/logs-search";
import { lazily } from "@/lib/fetched";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({
  en: {
    more: (name: string) => `Actions for ${name}`,
    logs: "Logs",
    toLogs: "Search its log history",
    loadingLogs: "Loading the log",
  },
  it: {
    more: (name) => `Azioni per ${name}`,
    logs: "Log",
    toLogs: "Cerca nella cronologia dei suoi log",
    loadingLogs: "Caricamento del log",
  },
});

const ConfirmAction = lazily(() => import("@/features/containers/confirm-action"));
const LogViewer = lazily(() =>
  import("@/features/logs/log-viewer").then((module) => ({ default: module.LogViewer })),
);

const AT_HAND: readonly Verb[] = ["start", "unpause", "restart", "stop"];

/** One container. Its state and actions are those of the list, its log that of the logs page. */
export function ContainerRoute() {
  const { node = "", container = "" } = useParams({ strict: false }) as {
    node?: string;
    container?: string;
  };
  const [search, change] = usePageSearch(parseContainerSearch);
  const [asked, setAsked] = useState<ContainerRequest | null>(null);
  const navigate = useNavigate();
  const action = useContainerAction();
  const run = (request: ContainerRequest) =>
    action.mutate(request, {
      onSuccess: () => {
        if (request.verb === "remove") void navigate({ to: "/containers" });
      },
      onSettled: () => setAsked(null),
    });
  return (
    <>
      <ContainerPage
        node={node}
        reference={container}
        search={search}
        onSearch={change}
        state={(found) => <State container={found} />}
        actions={(found) => (
          <Actions
            container={found}
            isPending={action.isPending}
            onVerb={(verb) =>
              needsAsking(verb) ? setAsked({ container: found, verb }) : run({ container: found, verb })
            }
          />
        )}
        logs={(found) => <Logs container={found} />}
      />
      {asked !== null && (
        <Suspense fallback={null}>
          <ConfirmAction
            request={asked}
            isPending={action.isPending}
            onConfirm={() => run(asked)}
            onCancel={() => setAsked(null)}
          />
        </Suspense>
      )}
    </>
  );
}

function State({ container }: { container: ContainerView }) {
  const { tone, word, detail } = stateOf(container);
  return (
    <Status tone={tone} title={container.status}>
      <span className="font-medium">{word}</span>
      {detail !== "" && <span className="text-muted"> · {detail}</span>}
    </Status>
  );
}

interface ActionsProps {
  container: ContainerView;
  isPending: boolean;
  onVerb: (verb: Verb) => void;
}

/** What is done most is at hand, the rest in a menu. */
function Actions({ container, isPending, onVerb }: ActionsProps) {
  const t = useMessages(messages);
  const words = useMessages(actionMessages);
  const can = useCanHere(container);
  const verbs = verbsOf(container, can);
  const atHand = verbs.filter((verb) => AT_HAND.includes(verb));
  const others = verbs.filter((verb) => !AT_HAND.includes(verb));
  const item = (verb: Verb) => ({
    key: verb,
    label: words[verb],
    icon: VERB_ICONS[verb],
    isDangerous: verb === "kill" || verb === "remove",
    onSelect: () => onVerb(verb),
  });
  return (
    <>
      {atHand.map((verb) => (
        <Button key={verb} disabled={isPending} onClick={() => onVerb(verb)}>
          {VERB_ICONS[verb]}
          {words[verb]}
        </Button>
      ))}
      {others.length > 0 && (
        <MenuButton
          isIcon
          aria-label={t.more(container.name)}
          title={t.more(container.name)}
          menuLabel={t.more(container.name)}
          groups={[
            others.filter((verb) => verb === "pause").map(item),
            others.filter((verb) => verb !== "pause").map(item),
          ]}
        >
          <EllipsisVertical aria-hidden className="size-4" />
        </MenuButton>
      )}
    </>
  );
}

function Logs({ container }: { container: ContainerView }) {
  const t = useMessages(messages);
  // What is searched in its log stays with the tab: the address is the container's.
  const [search, setSearch] = useState<LogsSearch>({});
  return (
    <div className="flex flex-col gap-2">
      <section
        aria-label={t.logs}
        className="flex h-[calc(100dvh-16rem)] min-h-96 flex-col overflow-hidden rounded-lg border border-line bg-surface shadow-card"
      >
        <Suspense fallback={<Loading label={t.loadingLogs} rows={12} />}>
          <LogViewer
            isCompact
            search={{ ...search, c: container.id }}
            onSearch={(next) => setSearch((before) => ({ ...before, ...next }))}
          />
        </Suspense>
      </section>
      <p>
        <Link to="/logs" search={{ c: container.id }} className="text-sm text-accent hover:underline">
          {t.toLogs}
        </Link>
      </p>
    </div>
  );
}
