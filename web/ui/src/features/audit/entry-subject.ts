import { linkOptions } from "@tanstack/react-router";
import type { AuditView } from "@/api/openapi";

/** The page of what an entry is about; null where there is none. */
export function subjectOf({ action, resource }: Pick<AuditView, "action" | "resource">) {
  const colon = resource.indexOf(":");
  if (colon < 0) return null;
  const name = resource.slice(colon + 1);
  // One of an environment is named with it.
  const [environment, own] = name.includes("/") ? (name.split("/", 2) as [string, string]) : ["", name];
  switch (resource.slice(0, colon)) {
    case "service":
      return linkOptions({
        to: "/services/$service",
        params: { service: name },
        search: /experiment/.test(action) ? { tab: "experiment" as const } : { tab: "revisions" as const },
      });
    case "rollout":
      return linkOptions({ to: "/rollouts/$rollout", params: { rollout: name } });
    case "environment":
      return linkOptions({ to: "/environments" });
    case "secret":
      return linkOptions({ to: "/secrets" });
    case "config":
      return linkOptions({
        to: "/secrets",
        search: { tab: "configs" as const, name: own, environment: environment || undefined },
      });
    case "node":
      return linkOptions({ to: "/cluster", search: { host: name } });
    case "user":
      return linkOptions({ to: "/access" });
    case "setting":
      return linkOptions({ to: "/settings" });
    case "plan":
      return linkOptions({ to: "/plans/$plan", params: { plan: name } });
    case "alert":
      return linkOptions({ to: "/alerts", search: { alert: Number(name) || undefined } });
    default:
      return null;
  }
}
