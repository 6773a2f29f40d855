import { queryOptions } from "@tanstack/react-query";
import { request } from "@/api/client";
import type {
  CleanupView,
  DiskUsageView,
  HostProblem,
  ImagePage,
  ImageView,
  NetworkPage,
  NetworkView,
  ProjectActed,
  ProjectPage,
  ProjectView,
  PulledImages,
  ResourceRemoved,
  VolumePage,
  VolumeView,
} from "@/api/openapi";

const PAGE_LIMIT = 1_000;
const PAGES_MAX = 10;
/** Nothing tells of these by itself; a look every so often is enough for what changes seldom. */
const REFRESH_MS = 20_000;
/** Engines count for as long as they like; the server waits so long for them. */
const SIZES_PATIENCE_MS = 15_000;
const PULL_PATIENCE_MS = 620_000;
const CLEANUP_PATIENCE_MS = 600_000;

export interface Listed<Item> {
  items: Item[];
  problems: HostProblem[];
}

interface PageOf<Item> {
  items: Item[];
  next_cursor: string | null;
  problems: HostProblem[];
}

async function readAll<Item>(path: string, query: object, signal: AbortSignal): Promise<Listed<Item>> {
  const items: Item[] = [];
  let problems: HostProblem[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const answer: PageOf<Item> = await request(path, {
      query: { ...query, limit: PAGE_LIMIT, cursor },
      patienceMs: SIZES_PATIENCE_MS,
      signal,
    });
    items.push(...answer.items);
    problems = answer.problems;
    cursor = answer.next_cursor;
    if (cursor === null) break;
  }
  return { items, problems };
}

const ROOT = "resources";
export const RESOURCES_KEY = [ROOT] as const;

export const imagesQuery = queryOptions({
  queryKey: [ROOT, "images"],
  queryFn: ({ signal }): Promise<Listed<ImagePage["items"][number]>> =>
    readAll<ImageView>("/images", {}, signal),
  refetchInterval: REFRESH_MS,
});

/** Sizes take engines a while: the list is there before they are. */
export const volumesQuery = queryOptions({
  queryKey: [ROOT, "volumes"],
  queryFn: ({ signal }): Promise<Listed<VolumePage["items"][number]>> =>
    readAll<VolumeView>("/volumes", {}, signal),
  refetchInterval: REFRESH_MS,
});

export const volumeSizesQuery = queryOptions({
  queryKey: [ROOT, "volume-sizes"],
  queryFn: async ({ signal }) => {
    const { items } = await readAll<VolumeView>("/volumes", { sizes: true }, signal);
    return new Map(items.map((each) => [`${each.node_id} ${each.name}`, each.size_bytes]));
  },
  staleTime: 60_000,
  refetchInterval: 120_000,
});

export const networksQuery = queryOptions({
  queryKey: [ROOT, "networks"],
  queryFn: ({ signal }): Promise<Listed<NetworkPage["items"][number]>> =>
    readAll<NetworkView>("/networks", {}, signal),
  refetchInterval: REFRESH_MS,
});

export const projectsQuery = queryOptions({
  queryKey: [ROOT, "projects"],
  queryFn: ({ signal }): Promise<Listed<ProjectPage["items"][number]>> =>
    readAll<ProjectView>("/projects", {}, signal),
  refetchInterval: 5_000,
});

export const diskUsageQuery = (node: string) =>
  queryOptions({
    queryKey: [ROOT, "disk-usage", node],
    queryFn: ({ signal }) =>
      request<DiskUsageView>(`/nodes/${encodeURIComponent(node)}/disk-usage`, {
        patienceMs: 40_000,
        signal,
      }),
    staleTime: 60_000,
    retry: false,
  });

export type Kind = "images" | "volumes" | "networks";

export interface CleanupWish {
  nodes: string[];
  keep_revisions?: number;
  older_than_s?: number;
  only_untagged?: boolean;
  volumes?: { node: string; name: string }[];
}

/** What would go; with a plan exactly that goes. */
export function clean(kind: Kind, wish: CleanupWish, plan: string | null): Promise<CleanupView> {
  return request<CleanupView>(`/${kind}/prune`, {
    method: "POST",
    body: plan === null ? wish : { ...wish, plan },
    patienceMs: CLEANUP_PATIENCE_MS,
  });
}

export function remove(kind: Kind, id: string, node: string, force: boolean): Promise<ResourceRemoved> {
  return request<ResourceRemoved>(`/${kind}/${encodeURIComponent(id)}`, {
    method: "DELETE",
    query: { node, force: force || undefined },
  });
}

export function pull(image: string, nodes: readonly string[]): Promise<PulledImages> {
  return request<PulledImages>("/images/pull", {
    method: "POST",
    body: { image, nodes },
    patienceMs: PULL_PATIENCE_MS,
  });
}

export type ProjectVerb = "start" | "stop" | "restart";

export function actOnProject(name: string, verb: ProjectVerb): Promise<ProjectActed> {
  return request<ProjectActed>(`/projects/${encodeURIComponent(name)}/${verb}`, {
    method: "POST",
    patienceMs: CLEANUP_PATIENCE_MS,
  });
}
