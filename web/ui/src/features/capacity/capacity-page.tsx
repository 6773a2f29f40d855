import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { capacityQuery, reportUrl } from "@/api/observing";
import type { CapacityView } from "@/api/openapi";
import { Loaded } from "@/components/loaded";
import { Page } from "@/components/page";
import { usePageSearch } from "@/components/page-search";
import { Sentence } from "@/components/sentence";
import { Loading } from "@/components/states";
import { Card, Section } from "@/components/ui/section";
import { capital } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { parseSearch } from "./capacity-search";
import { FirstOut } from "./first-out";
import { messages } from "./messages";
import { isFilling } from "./outlook";
import { Rooms } from "./rooms";
import { Sizings } from "./sizings";
import { WhatIfSection } from "./what-if";

const FILLING_TOLD = 3;

/** The room of all together, what is used up first, and whether a host may be lost: the rest is below in full. */
function inBrief({ said, full }: CapacityView): string[] {
  const filling = full
    .filter(({ exhaustion }) => isFilling(exhaustion))
    .slice(0, FILLING_TOLD)
    .flatMap(({ exhaustion }) => exhaustion.said.slice(0, 1));
  // What fills up begins with its name, which is written as it is.
  const [room = "", last = ""] = [said.at(0), said.at(-1)].map((sentence) => capital(sentence ?? ""));
  const isTold = filling.includes(said.at(-1) ?? "");
  return [room, ...filling, isTold ? "" : last].filter(
    (sentence, place, all) => sentence !== "" && all.indexOf(sentence) === place,
  );
}

/** How much room there is, when it is used up, and what would become of it. */
export function CapacityPage() {
  const t = useMessages(messages);
  const [search, change] = usePageSearch(parseSearch);
  const plan = useQuery(capacityQuery());
  return (
    <Page
      title={t.title}
      actions={
        <a
          href={reportUrl("html")}
          download="report.html"
          className="inline-flex h-8 items-center gap-1.5 rounded-md border border-line-strong bg-surface px-3 text-sm font-medium hover:bg-hover pointer-coarse:h-10"
        >
          <Download aria-hidden className="size-3.5" />
          {t.report}
        </a>
      }
    >
      <div className="flex flex-col gap-6">
        <Loaded
          query={plan}
          loading={
            <Card>
              <Loading label={t.loading} rows={12} />
            </Card>
          }
        >
          {(found) => (
            <>
              {found.said.length > 0 && (
                <Section title={t.summary}>
                  <Card>
                    <ul className="flex flex-col gap-1 px-4 py-3 text-sm">
                      {inBrief(found).map((sentence) => (
                        <li key={sentence}>{sentence}</li>
                      ))}
                    </ul>
                  </Card>
                </Section>
              )}
              <Section title={t.first} note={t.firstNote}>
                <FirstOut full={found.full} search={search} onSearch={change} />
              </Section>
              <Section title={t.hosts} note={t.hostsNote}>
                <Card>
                  <Rooms rooms={found.hosts} together={found.hosts.length > 1 ? found.cluster : null} />
                </Card>
              </Section>
            </>
          )}
        </Loaded>
        <WhatIfSection search={search} losses={plan.data?.losses ?? []} onSearch={change} />
        <Section title={t.sizing} note={t.sizingNote}>
          <Sizings />
        </Section>
        {plan.data !== undefined && plan.data.notes.length > 0 && (
          <Section title={t.notes}>
            <ul className="flex flex-col gap-1 text-sm text-muted">
              {plan.data.notes.map((note) => (
                <li key={note}>
                  <Sentence text={note} />
                </li>
              ))}
            </ul>
          </Section>
        )}
      </div>
    </Page>
  );
}
