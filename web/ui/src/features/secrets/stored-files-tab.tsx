import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { FileKey, FileText, Plus } from "lucide-react";
import { Suspense, useState } from "react";
import type { StoredFileView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Ago } from "@/components/ago";
import { Loaded } from "@/components/loaded";
import { RowMenu } from "@/components/row-menu";
import { Empty, Loading } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, Section } from "@/components/ui/section";
import { lazily } from "@/lib/fetched";
import { formatBytes } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { RemoveWindow } from "./remove-window";
import { type FileName, filesQuery, type Kind, NOUNS, servicesBehind, usersOf } from "./stored-files";

const PutWindow = lazily(() => import("./put-window"));
const ConfigSheet = lazily(() => import("./config-sheet"));

const ICONS = { secrets: FileKey, configs: FileText };

interface StoredFilesTabProps {
  kind: Kind;
  /** The config whose content is shown. */
  opened: FileName | undefined;
  onOpen: (file: FileName | undefined) => void;
}

type Asked = { what: "new" } | { what: "put" | "remove"; stored: StoredFileView };

/** The secrets or the configs: which there are, who has which version, and what may be done with them. */
export function StoredFilesTab({ kind, opened, onOpen }: StoredFilesTabProps) {
  const t = useMessages(messages);
  const can = useCan();
  const query = useQuery(filesQuery(kind));
  const [asked, setAsked] = useState<Asked | null>(null);
  const Icon = ICONS[kind];
  const close = () => setAsked(null);
  const shown = query.data?.find(
    (stored) => stored.name === opened?.name && stored.environment === opened.environment,
  );
  return (
    <Section
      title={t.tabs[kind]}
      actions={
        can(`${NOUNS[kind]}.put`) && (
          <Button tone="primary" onClick={() => setAsked({ what: "new" })}>
            <Plus aria-hidden className="size-3.5" />
            {t.add[kind]}
          </Button>
        )
      }
    >
      <p className="mb-3 text-sm text-muted">{t.notes[kind]}</p>
      <Card>
        <Loaded query={query} loading={<Loading label={t.loading[kind]} rows={6} />}>
          {(files) =>
            files.length === 0 ? (
              <Empty icon={<Icon className="size-5" />} title={t.none[kind]}>
                {t.noneNote[kind]}
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {files.map((stored) => (
                  <Row
                    key={`${stored.environment} ${stored.name}`}
                    kind={kind}
                    stored={stored}
                    onOpen={() => onOpen({ name: stored.name, environment: stored.environment })}
                    onAsk={(what) => setAsked({ what, stored })}
                  />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Card>
      <Suspense fallback={null}>
        {asked !== null && asked.what !== "remove" && (
          <PutWindow kind={kind} stored={asked.what === "put" ? asked.stored : null} onClose={close} />
        )}
        {shown !== undefined && <ConfigSheet stored={shown} onClose={() => onOpen(undefined)} />}
      </Suspense>
      {asked?.what === "remove" && <RemoveWindow kind={kind} stored={asked.stored} onClose={close} />}
    </Section>
  );
}

function Row({
  kind,
  stored,
  onOpen,
  onAsk,
}: {
  kind: Kind;
  stored: StoredFileView;
  onOpen: () => void;
  onAsk: (what: "put" | "remove") => void;
}) {
  const t = useMessages(messages);
  const can = useCan();
  const [newest] = stored.versions;
  const users = usersOf(stored);
  const behind = servicesBehind(stored);
  const noun = NOUNS[kind];
  const mayRead = kind === "configs" && can("config.inspect");
  return (
    <li className="flex items-start gap-3 px-4 py-3 text-sm">
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-center gap-x-3 gap-y-1">
          {mayRead ? (
            <button
              type="button"
              aria-label={t.open(stored.name)}
              onClick={onOpen}
              className="inline-flex min-h-6 items-center font-medium break-all text-accent hover:underline"
            >
              {stored.name}
            </button>
          ) : (
            <span className="font-medium break-all">{stored.name}</span>
          )}
          <Badge>{stored.environment || t.allEnvironments}</Badge>
        </p>
        {newest !== undefined && (
          <p className="tabular mt-0.5 flex flex-wrap gap-x-3 text-xs text-muted">
            <span>{t.version(newest.version)}</span>
            <span>{formatBytes(newest.size_bytes)}</span>
            <Ago atMs={newest.created_at_ms} say={(age) => t.putBy(newest.created_by, age)} />
          </p>
        )}
        <p className="mt-1 flex flex-wrap items-center gap-x-3 gap-y-1">
          {users.length === 0 ? (
            <span className="text-muted">{t.unused}</span>
          ) : (
            <>
              <span className="text-muted">{t.usedBy}</span>
              {users.map((service) => (
                <Link
                  key={service}
                  to="/services/$service"
                  params={{ service }}
                  className="inline-flex min-h-6 items-center font-medium text-accent hover:underline"
                >
                  {behind.includes(service) ? t.behind(service, versionOf(stored, service)) : service}
                </Link>
              ))}
            </>
          )}
        </p>
        {behind.length > 0 && <p className="mt-0.5 text-warn">{t.behindNote(behind.length)}</p>}
      </div>
      <RowMenu
        name={stored.name}
        groups={[
          [
            ...(mayRead ? [{ key: "show", label: t.show, onSelect: onOpen }] : []),
            ...(can(`${noun}.put`) ? [{ key: "put", label: t.put[kind], onSelect: () => onAsk("put") }] : []),
          ],
          can(`${noun}.remove`)
            ? [{ key: "remove", label: t.remove, isDangerous: true, onSelect: () => onAsk("remove") }]
            : [],
        ]}
      />
    </li>
  );
}

/** The newest version a service has; versions come newest first. */
function versionOf(stored: StoredFileView, service: string): number {
  return stored.versions.find(({ used_by }) => used_by.includes(service))?.version ?? stored.newest;
}
