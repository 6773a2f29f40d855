import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { ConfigView, FileBody, StoredFilePage, StoredFileView } from "@/api/openapi";
import { showDone } from "@/components/ui/toast-store";
import { textsOf } from "@/lib/i18n";
import { messages } from "./messages";

export const KINDS = ["secrets", "configs"] as const;
export type Kind = (typeof KINDS)[number];

/** The word of a kind in names of actions: `secret.put`. */
export const NOUNS = { secrets: "secret", configs: "config" } as const;

/** What the cluster takes; a secret and a config travel in one command. */
export const CONTENT_BYTES_MAX = 240 * 1024;
export const GENERATED_BYTES = { least: 16, most: 1_024, usual: 32 } as const;

/** A name is one of its environment, or ("") of all. */
export type FileName = Pick<StoredFileView, "name" | "environment">;

const FILES_MAX = 1_000;

export function filesQuery(kind: Kind) {
  return queryOptions({
    queryKey: ["stored-files", kind, "list"],
    queryFn: async ({ signal }) =>
      (await request<StoredFilePage>(`/${kind}`, { query: { limit: FILES_MAX }, signal })).items,
  });
}

/** A version with its content; of those that are replaced nothing changes any more. */
export function contentQuery({ name, environment }: FileName, version: number) {
  return queryOptions({
    queryKey: ["stored-files", "configs", "content", environment, name, version],
    queryFn: ({ signal }) =>
      request<ConfigView>(pathOf("configs", name), { query: { environment, version }, signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

function pathOf(kind: Kind, name: string): string {
  return `/${kind}/${encodeURIComponent(name)}`;
}

export interface Put extends FileName {
  /** One of the three. */
  content: Partial<FileBody>;
}

/** Keep a new version. What was given goes with this one request, and is kept nowhere in the page. */
export function usePut(kind: Kind, onDone: () => void) {
  const client = useQueryClient();
  return useMutation({
    meta: { isShownInPlace: true },
    gcTime: 0,
    mutationFn: ({ name, environment, content }: Put) =>
      request<StoredFileView>(pathOf(kind, name), { method: "PUT", query: { environment }, body: content }),
    onSuccess: (stored) => {
      const t = textsOf(messages);
      const behind = servicesBehind(stored);
      showDone(t.kept(stored.name, stored.newest), behind.length === 0 ? "" : t.deployAgain(behind));
      onDone();
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["stored-files", kind] }),
  });
}

export function useRemove(kind: Kind, onDone: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ name, environment }: FileName) =>
      request(pathOf(kind, name), { method: "DELETE", query: { environment } }),
    onSuccess: (_, { name }) => showDone(textsOf(messages).removed(name)),
    onSettled: () => {
      onDone();
      return client.invalidateQueries({ queryKey: ["stored-files", kind] });
    },
  });
}

/** The services that have some version, each once. */
export function usersOf(stored: StoredFileView): string[] {
  return [...new Set(stored.versions.flatMap((version) => version.used_by))].sort();
}

/** The services that were deployed with an earlier version than the newest, and not with that. */
export function servicesBehind(stored: StoredFileView): string[] {
  const current = stored.versions.find(({ version }) => version === stored.newest)?.used_by ?? [];
  return usersOf(stored).filter((service) => !current.includes(service));
}

/** A file's bytes as the interface takes them. */
export async function base64Of(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  // In pieces: an argument list has an end.
  for (let at = 0; at < bytes.length; at += 8_192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  }
  return btoa(text);
}
