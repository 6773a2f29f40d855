import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { request } from "@/api/client";
import type { SettingPage, SettingView } from "@/api/openapi";
import { showDone } from "@/components/ui/toast-store";
import { textsOf } from "@/lib/i18n";
import { messages } from "./messages";

export const settingsQuery = queryOptions({
  queryKey: ["settings"],
  queryFn: async ({ signal }) =>
    (await request<SettingPage>("/settings", { query: { limit: 1_000 }, signal })).items,
});

export type GroupName = "hosts" | "access" | "programs" | "outbound" | "history" | "logs" | "others";

export interface SettingGroup {
  name: GroupName;
  settings: SettingView[];
}

const GROUPS: readonly { name: GroupName; prefix: string }[] = [
  { name: "hosts", prefix: "cluster." },
  { name: "access", prefix: "auth." },
  { name: "programs", prefix: "plans." },
  { name: "outbound", prefix: "outbound." },
  { name: "history", prefix: "metrics." },
  { name: "logs", prefix: "logs." },
  { name: "others", prefix: "" },
];

/** The settings in the groups people look for them in; groups without any are left out. */
export function groupsOf(settings: readonly SettingView[]): SettingGroup[] {
  const groups = new Map<GroupName, SettingView[]>();
  for (const setting of settings) {
    const group = GROUPS.find(({ prefix }) => setting.key.startsWith(prefix));
    if (group === undefined) continue;
    groups.set(group.name, [...(groups.get(group.name) ?? []), setting]);
  }
  return GROUPS.flatMap(({ name }) => {
    const found = groups.get(name);
    return found === undefined ? [] : [{ name, settings: found }];
  });
}

export interface Retention {
  kind: string;
  record: string;
  setting: SettingView;
}

/** What `metrics.retention.<kind>.<record>` is of; null for other settings. */
export function retentionOf(setting: SettingView): Retention | null {
  const [, kind, record] = /^metrics\.retention\.([a-z]+)\.([a-z]+)$/.exec(setting.key) ?? [];
  return kind === undefined || record === undefined ? null : { kind, record, setting };
}

export interface SettingChange {
  setting: SettingView;
  /** Null: its default again. */
  value: string | null;
}

/** Save a setting, unless somebody was quicker. */
export function useSaveSetting(nameOf: (setting: SettingView) => string) {
  const client = useQueryClient();
  return useMutation({
    meta: { isShownInPlace: true },
    mutationFn: ({ setting, value }: SettingChange) =>
      request<SettingView>(`/settings/${encodeURIComponent(setting.key)}`, {
        method: "PUT",
        body: { value, expected_version: setting.version },
      }),
    onSuccess: (_, { setting }) => showDone(textsOf(messages).saved(nameOf(setting))),
    onSettled: () => client.invalidateQueries({ queryKey: settingsQuery.queryKey }),
  });
}
