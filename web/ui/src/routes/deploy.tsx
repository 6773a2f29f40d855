import { useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import type { DeployedService } from "@/api/openapi";
import { Page } from "@/components/page";
import { oneIn, textIn, usePageSearch } from "@/components/page-search";
import { DeployPage, type Step } from "@/features/deploy/deploy-page";
import { defineMessages, useMessages } from "@/lib/i18n";

const messages = defineMessages({ en: { title: "Deploy" }, it: { title: "Rilascia" } });

export interface DeploySearch {
  step?: Step | undefined;
  /** The project whose running services are changed. */
  from?: string | undefined;
}

function parse(raw: Record<string, unknown>): DeploySearch {
  return { step: oneIn(["file", "plan"] as const, raw.step), from: textIn(raw.from) };
}

/** What was deployed is followed where it happens: one service in its rollout, several in the list of services. */
export function DeployRoute() {
  const t = useMessages(messages);
  const [search, change] = usePageSearch(parse);
  const navigate = useNavigate();
  const onDeployed = useCallback(
    (services: readonly DeployedService[]) => {
      const changed = services.filter((each) => each.changed || each.is_retry);
      const [only] = changed;
      if (only === undefined) return;
      if (changed.length === 1) {
        const rollout = only.rollout_id ?? only.service_id;
        void navigate({
          to: "/rollouts/$rollout",
          params: { rollout },
          search: { revision: only.revision },
        });
      } else {
        const project = only.service_id.split(".")[0] ?? "";
        void navigate({ to: "/services", search: { project } });
      }
    },
    [navigate],
  );
  return (
    <Page title={t.title}>
      <DeployPage
        step={search.step ?? "file"}
        from={search.from}
        onFromTaken={() => change({ from: undefined }, { replace: true })}
        onStep={(step) => change({ step: step === "file" ? undefined : step })}
        onDeployed={onDeployed}
        onScheduled={() => void navigate({ to: "/schedules" })}
      />
    </Page>
  );
}
