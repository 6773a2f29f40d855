import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { request, urlOf } from "@/api/client";
import type {
  ContainerDetail,
  ContainerView,
  DocumentView,
  FilePage,
  FileView,
  ProcessesView,
  SettingsView,
} from "@/api/openapi";

/** What is asked of one container. */

export type Which = Pick<ContainerView, "id" | "node_id" | "state">;

export function pathOf(container: Which, rest = ""): string {
  return `/containers/${encodeURIComponent(container.id)}${rest}`;
}

const POWERS_KEPT_MS = 60_000;

/** The names of the actions that this person may do to it. */
export const powersQuery = (container: Which) =>
  queryOptions({
    queryKey: ["container", container.node_id, container.id, "powers"],
    queryFn: async ({ signal }) =>
      (await request<ContainerDetail>(pathOf(container), { query: { node: container.node_id }, signal })).can,
    staleTime: POWERS_KEPT_MS,
    retry: false,
  });

/** The engine's own description; asked again when the container's state changes. */
export const documentQuery = (container: Which) =>
  queryOptions({
    queryKey: ["container", container.node_id, container.id, "document", container.state],
    queryFn: ({ signal }) =>
      request<DocumentView>(pathOf(container, "/inspect"), { query: { node: container.node_id }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: 15_000,
  });

/** The same with its secrets, which is recorded: never asked for by itself. */
export function reveal(container: Which): Promise<DocumentView> {
  return request<DocumentView>(pathOf(container, "/inspect"), {
    query: { node: container.node_id, reveal: true },
  });
}

export const processesQuery = (container: Which) =>
  queryOptions({
    queryKey: ["container", container.node_id, container.id, "processes"],
    queryFn: ({ signal }) =>
      request<ProcessesView>(pathOf(container, "/top"), { query: { node: container.node_id }, signal }),
    refetchInterval: 5_000,
    retry: false,
  });

export const settingsQuery = (container: Which) =>
  queryOptions({
    queryKey: ["container", container.node_id, container.id, "settings"],
    queryFn: ({ signal }) =>
      request<SettingsView>(pathOf(container, "/settings"), { query: { node: container.node_id }, signal }),
    retry: false,
  });

const FILES_PAGE = 1_000;
const PAGES_MAX = 10;
const LISTING_MAX_MS = 30_000;

export interface Listing {
  path: string;
  files: FileView[];
  incomplete: string;
}

export const filesQuery = (container: Which, path: string) =>
  queryOptions({
    queryKey: ["container", container.node_id, container.id, "files", path],
    queryFn: async ({ signal }): Promise<Listing> => {
      const files: FileView[] = [];
      let cursor: string | null = null;
      let incomplete = "";
      for (let page = 0; page < PAGES_MAX; page += 1) {
        const answer: FilePage = await request(pathOf(container, "/files"), {
          query: { node: container.node_id, path, limit: FILES_PAGE, cursor },
          signal,
          patienceMs: LISTING_MAX_MS,
        });
        files.push(...answer.items);
        incomplete = answer.incomplete;
        cursor = answer.next_cursor;
        if (cursor === null) break;
      }
      return { path, files, incomplete };
    },
    staleTime: 5_000,
    retry: false,
  });

/** Where a file, or a directory as an archive, can be downloaded. */
export function contentUrl(container: Which, path: string): string {
  return urlOf(pathOf(container, "/files/content"), { node: container.node_id, path });
}

const UPLOAD_MAX_MS = 3_600_000;

export function upload(container: Which, path: string, file: File): Promise<unknown> {
  return request(pathOf(container, "/files/content"), {
    method: "PUT",
    content: file,
    query: { node: container.node_id, path },
    patienceMs: UPLOAD_MAX_MS,
  });
}
