import { useNavigate } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { useCan } from "@/api/permissions";
import { Page } from "@/components/page";
import { textIn, usePageSearch } from "@/components/page-search";
import { EnvironmentsSection } from "@/features/deploy/environments-section";
import { defineMessages, useMessages } from "@/lib/i18n";

const PromoteSheet = lazy(() => import("@/features/deploy/promote-sheet"));

const messages = defineMessages({ en: { title: "Environments" }, it: { title: "Ambienti" } });

interface EnvironmentsSearch {
  /** The environment something is promoted to. */
  promote?: string | undefined;
}

function parse(raw: Record<string, unknown>): EnvironmentsSearch {
  return { promote: textIn(raw.promote) };
}

export function EnvironmentsRoute() {
  const t = useMessages(messages);
  const can = useCan();
  const [{ promote }, change] = usePageSearch(parse);
  const navigate = useNavigate();
  return (
    <Page title={t.title}>
      <EnvironmentsSection
        mayPromote={can("service.promote")}
        onPromote={(environment) => change({ promote: environment })}
      />
      {promote !== undefined && (
        <Suspense fallback={null}>
          <PromoteSheet
            to={promote}
            onClose={() => change({ promote: undefined })}
            onPromoted={(services) => {
              const [first] = services.filter(({ changed }) => changed);
              if (first === undefined) change({ promote: undefined });
              else
                void navigate({
                  to: "/rollouts/$rollout",
                  params: { rollout: first.rollout_id ?? first.service_id },
                  search: { revision: first.revision } as never,
                });
            }}
          />
        </Suspense>
      )}
    </Page>
  );
}
