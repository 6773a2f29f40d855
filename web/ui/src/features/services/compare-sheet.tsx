import { useQuery } from "@tanstack/react-query";
import { FieldChanges } from "@/components/field-changes";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Loading } from "@/components/states";
import { Sheet } from "@/components/ui/sheet";
import { useMessages } from "@/lib/i18n";
import { BehaviourTable } from "./behaviour-table";
import { pageMessages } from "./page-messages";
import { comparisonQuery } from "./service-queries";

interface CompareSheetProps {
  service: string;
  before: number;
  after: number;
  onClose: () => void;
}

/** What differs between two revisions, and how they answered side by side. */
export default function CompareSheet({ service, before, after, onClose }: CompareSheetProps) {
  const t = useMessages(pageMessages);
  const comparison = useQuery(comparisonQuery(service, before, after));
  return (
    <Sheet title={t.compareTitle(before, after)} description={service} onClose={onClose} isWide>
      <div className="flex-1 overflow-y-auto">
        <Loaded query={comparison} loading={<Loading label={t.loadingComparison} rows={8} />}>
          {(known) => (
            <div className="flex flex-col gap-6 p-4">
              <section>
                <h3 className="mb-2 text-base font-semibold">{t.changes}</h3>
                {known.changes.length === 0 ? (
                  <p className="text-sm text-muted">{t.sameSpec}</p>
                ) : (
                  <FieldChanges changes={known.changes} label={t.changes} />
                )}
              </section>
              <section>
                <h3 className="mb-2 text-base font-semibold">{t.behaviour}</h3>
                {known.behaviour === null ? (
                  <p className="text-sm text-muted">
                    {known.note === "" ? t.noBehaviour : <Sentence text={known.note} isCapital />}
                  </p>
                ) : (
                  <BehaviourTable behaviour={known.behaviour} />
                )}
              </section>
            </div>
          )}
        </Loaded>
      </div>
    </Sheet>
  );
}
