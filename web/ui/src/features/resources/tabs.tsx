import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { Suspense, useCallback, useState } from "react";
import type { ImageView, NetworkView, VolumeView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Ago } from "@/components/ago";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { lazily } from "@/lib/fetched";
import { formatBytes, parseImage, shortId, UNKNOWN } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { DiskUsage } from "./disk-usage";
import { messages } from "./messages";
import type { ListColumn } from "./resource-list";
import { imagesQuery, networksQuery, volumeSizesQuery, volumesQuery } from "./resource-queries";
import { keyOf, projectsOf, type Resource, type ResourcesView, type SortValue, useOf } from "./resource-rows";
import { ResourceTab } from "./resource-tab";
import { UseBadge } from "./use-badge";

const PullWindow = lazily(() => import("./pull-window"));

interface TabProps {
  view: ResourcesView;
  onView: (change: Partial<ResourcesView>) => void;
}

export function ImagesTab({ view, onView }: TabProps) {
  const t = useMessages(messages);
  const can = useCan();
  const query = useQuery(imagesQuery);
  const [isPulling, setPulling] = useState(false);
  const columns: ListColumn<ImageView>[] = [
    {
      key: "id",
      title: t.id,
      className: "w-32 max-xl:hidden",
      isSorted: false,
      cell: (row) => <Id id={row.id} />,
    },
    {
      key: "size",
      title: t.size,
      className: "w-28 text-right",
      isNumber: true,
      cell: (row) => (
        <span
          className="tabular"
          title={row.own_bytes === null ? undefined : t.ownBytes(formatBytes(row.own_bytes))}
        >
          {formatBytes(row.size_bytes)}
        </span>
      ),
    },
    { key: "use", title: t.use, className: "w-[32%] pl-6", cell: (row) => <UseBadge resource={row} /> },
    { key: "host", title: t.host, className: "w-20", cell: (row) => row.node_name },
    {
      key: "created",
      title: t.created,
      className: "w-28 max-lg:hidden",
      isNumber: true,
      cell: (row) => <Ago atMs={row.created_at_ms} />,
    },
  ];
  return (
    <>
      <DiskUsage />
      <ResourceTab
        kind="images"
        query={query}
        view={view}
        onView={onView}
        columns={columns}
        name={(row) => <ImageName image={row} />}
        sortedBy={imageBy}
        line={(row) => `${row.node_name} · ${formatBytes(row.size_bytes)}`}
        actions={
          can("image.pull") && (
            <Button onClick={() => setPulling(true)}>
              <Download aria-hidden className="size-3.5" />
              {t.pull}
            </Button>
          )
        }
      />
      <Suspense fallback={null}>{isPulling && <PullWindow onClose={() => setPulling(false)} />}</Suspense>
    </>
  );
}

export function VolumesTab({ view, onView }: TabProps) {
  const t = useMessages(messages);
  const query = useQuery(volumesQuery);
  const { data: sizes, isPending: isCounting } = useQuery(volumeSizesQuery);
  const sizeOf = useCallback((row: VolumeView) => row.size_bytes ?? sizes?.get(keyOf(row)) ?? null, [sizes]);
  const sortedBy = useCallback(
    (row: VolumeView, column: string): SortValue => (column === "size" ? sizeOf(row) : commonBy(row, column)),
    [sizeOf],
  );
  const columns: ListColumn<VolumeView>[] = [
    {
      key: "size",
      title: t.size,
      className: "w-28 text-right",
      isNumber: true,
      cell: (row) => {
        const size = sizeOf(row);
        return (
          <span className="tabular">
            {size === null && isCounting ? (
              <span className="text-muted">{t.counting}</span>
            ) : (
              formatBytes(size)
            )}
          </span>
        );
      },
    },
    { key: "use", title: t.use, className: "w-[34%] pl-6", cell: (row) => <UseBadge resource={row} /> },
    {
      key: "project",
      title: t.project,
      className: "w-[12%] max-lg:hidden",
      cell: (row) => <Projects of={row} />,
    },
    { key: "driver", title: t.driver, className: "w-24 max-xl:hidden", cell: (row) => row.driver },
    { key: "host", title: t.host, className: "w-20", cell: (row) => row.node_name },
  ];
  return (
    <ResourceTab
      kind="volumes"
      query={query}
      view={view}
      onView={onView}
      columns={columns}
      name={(row) => <span title={row.mountpoint}>{row.name}</span>}
      sortedBy={sortedBy}
      line={(row) => `${row.node_name} · ${formatBytes(sizeOf(row))}`}
    />
  );
}

export function NetworksTab({ view, onView }: TabProps) {
  const t = useMessages(messages);
  const query = useQuery(networksQuery);
  const columns: ListColumn<NetworkView>[] = [
    { key: "driver", title: t.driver, className: "w-24 max-lg:hidden", cell: (row) => row.driver },
    {
      key: "subnets",
      title: t.subnets,
      className: "w-[18%] max-lg:hidden",
      cell: (row) => <span className="tabular">{row.subnets.join(", ") || UNKNOWN}</span>,
    },
    { key: "use", title: t.use, className: "w-[34%]", cell: (row) => <UseBadge resource={row} /> },
    {
      key: "project",
      title: t.project,
      className: "w-[12%] max-xl:hidden",
      cell: (row) => <Projects of={row} />,
    },
    { key: "host", title: t.host, className: "w-20", cell: (row) => row.node_name },
  ];
  return (
    <ResourceTab
      kind="networks"
      query={query}
      view={view}
      onView={onView}
      columns={columns}
      name={(row) => (
        <span className="flex items-center gap-2" title={row.id}>
          <span className="truncate">{row.name}</span>
          {row.is_internal && <Badge>{t.internal}</Badge>}
        </span>
      )}
      sortedBy={networkBy}
      line={(row) => [row.node_name, row.driver, ...row.subnets].join(" · ")}
    />
  );
}

function ImageName({ image }: { image: ImageView }) {
  const t = useMessages(messages);
  const names = [...image.tags, ...image.digests];
  const first = names[0];
  if (first === undefined) return <span className="font-normal text-muted">{t.unnamed}</span>;
  const { short, tag } = parseImage(first);
  const digest = tag === "" ? first.split("@sha256:")[1] : undefined;
  // A digest beside the tag of the same image is no other name.
  const more = (image.tags.length > 0 ? image.tags.length : names.length) - 1;
  return (
    <span title={names.join("\n")}>
      {short}
      {tag !== "" && <span className="font-normal text-muted">:{tag}</span>}
      {digest !== undefined && <span className="font-normal text-muted">@{digest.slice(0, 12)}</span>}
      {more > 0 && <span className="ml-1.5 font-normal text-muted">{t.moreNames(more)}</span>}
    </span>
  );
}

function Id({ id }: { id: string }) {
  return (
    <code className="font-mono text-xs text-muted" title={id}>
      {shortId(id.replace(/^sha256:/, ""))}
    </code>
  );
}

function Projects({ of }: { of: Resource }) {
  const projects = projectsOf(of);
  return projects.length === 0 ? (
    <span className="text-muted">{UNKNOWN}</span>
  ) : (
    <span title={projects.join(", ")}>{projects.join(", ")}</span>
  );
}

const USE_RANK = { unused: 0, kept: 1, used: 2 } as const;

function commonBy(row: Resource, column: string): SortValue {
  switch (column) {
    case "use":
      return USE_RANK[useOf(row)];
    case "host":
      return row.node_name;
    case "project":
      return projectsOf(row)[0] ?? null;
    case "driver":
      return "driver" in row ? row.driver : null;
    default:
      // By name: that is what equal ones are sorted by.
      return null;
  }
}

function imageBy(row: ImageView, column: string): SortValue {
  if (column === "size") return row.size_bytes;
  if (column === "created") return row.created_at_ms;
  return commonBy(row, column);
}

function networkBy(row: NetworkView, column: string): SortValue {
  return column === "subnets" ? (row.subnets[0] ?? null) : commonBy(row, column);
}
