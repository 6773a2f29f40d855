import { useNavigate } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { Suspense } from "react";
import { useCan } from "@/api/permissions";
import { Page } from "@/components/page";
import { flagIn, textIn, usePageSearch } from "@/components/page-search";
import { Button } from "@/components/ui/button";
import { environmentMessages } from "@/features/deploy/environment-messages";
import { EnvironmentsSection } from "@/features/deploy/environments-section";
import { lazily } from "@/lib/fetched";
import { defineMessages, useMessages } from "@/lib/i18n";

const PromoteSheet = lazily(() => import("@/features/deploy/promote-sheet"));

const messages = defineMessages({ en: { title: "Environments" }, it: { title: "Ambienti" } });

export interface EnvironmentsSearch {
  /** The environment something is promoted to. */
  promote?: string | undefined;
  /** The window of a new environment is open. */
  new?: true | undefined;
}

function parse(raw: Record<string, unknown>): EnvironmentsSearch {
  return { promote: textIn(raw.promote), new: flagIn(raw.new) };
}

export function EnvironmentsRoute() {
  const t = useMessages(messages);
  const can = useCan();
  const { add } = useMessages(environmentMessages);
  const [{ promote, new: isNew = false }, change] = usePageSearch(parse);
  const navigate = useNavigate();
  return (
    <Page
      title={t.title}
      actions={
        can("environment.put") && (
          <Button tone="primary" onClick={() => change({ new: true })}>
            <Plus aria-hidden className="size-3.5" />
            {add}
          </Button>
        )
      }
    >
      <EnvironmentsSection
        can={can}
        isAdding={isNew && can("environment.put")}
        onAdded={() => change({ new: undefined })}
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
                  search: { revision: first.revision },
                });
            }}
          />
        </Suspense>
      )}
    </Page>
  );
}
