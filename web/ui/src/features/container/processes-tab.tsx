import { useQuery } from "@tanstack/react-query";
import { CirclePause } from "lucide-react";
import type { ContainerView } from "@/api/openapi";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { ScrollingCard, Section } from "@/components/ui/section";
import { cn } from "@/lib/cn";
import { useMessages } from "@/lib/i18n";
import { processesQuery } from "./container-queries";
import { messages } from "./messages";

/** The column that takes the room that is left: what the process is. */
const WIDE = ["COMMAND", "CMD", "ARGS"];
const NUMBERS = /^[\d.:-]+$/;

/** What runs in it, as the host's `ps` shows it. */
export default function ProcessesTab({ container }: { container: ContainerView }) {
  const t = useMessages(messages);
  const isRunning = container.state === "running" || container.state === "paused";
  const query = useQuery({ ...processesQuery(container), enabled: isRunning });
  if (!isRunning) {
    return (
      <Empty icon={<CirclePause className="size-5" />} title={t.tabs.processes}>
        {t.notRunning}
      </Empty>
    );
  }
  return (
    <Section
      title={t.tabs.processes}
      note={query.data === undefined ? undefined : t.processes(query.data.rows.length)}
      actions={<span className="text-xs text-muted">{t.everyFive}</span>}
    >
      <ScrollingCard label={t.tabs.processes}>
        <Loaded query={query} loading={<Loading label={t.tabs.processes} rows={6} />}>
          {({ titles, rows }) => (
            <table className="w-full text-sm">
              <thead>
                <tr className="text-left text-xs text-muted">
                  {titles.map((title) => (
                    <th key={title} scope="col" className="h-8 px-3 font-medium whitespace-nowrap">
                      {title}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {rows.map((row) => (
                  <tr key={row.join(" ")} className="border-t border-line align-top">
                    {row.map((cell, place) => (
                      <td
                        key={titles[place]}
                        className={cn(
                          "px-3 py-1.5 font-mono text-xs",
                          WIDE.includes(titles[place] ?? "")
                            ? "w-full min-w-64 break-all"
                            : "whitespace-nowrap",
                          NUMBERS.test(cell) && "tabular",
                        )}
                      >
                        {cell}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </Loaded>
      </ScrollingCard>
    </Section>
  );
}
