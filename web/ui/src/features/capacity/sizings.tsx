import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Ruler } from "lucide-react";
import { sizingQuery } from "@/api/observing";
import type { SizingView } from "@/api/openapi";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Status, type Tone } from "@/components/ui/badge";
import { Card } from "@/components/ui/section";
import { formatBytes, formatSize } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

const TONES: Record<SizingView["advice"], Tone> = {
  raise: "bad",
  reserve: "warn",
  lower: "accent",
  fine: "ok",
  unknown: "neutral",
};

/** What each service has, what it needs, and what it should be given. */
export function Sizings() {
  const t = useMessages(messages);
  const query = useQuery(sizingQuery);
  return (
    <Card>
      <Loaded query={query} loading={<Loading label={t.loading} rows={6} />}>
        {(found) =>
          found.services.length === 0 ? (
            <Empty icon={<Ruler className="size-5" />} title={t.sizingNone}>
              {t.sizingNoneHint}
            </Empty>
          ) : (
            <>
              <ul className="divide-y divide-line">
                {found.services.map((sizing) => (
                  <Row key={sizing.service_id} sizing={sizing} />
                ))}
              </ul>
              {found.idle > 0 && (
                <p className="tabular border-t border-line px-4 py-2 text-sm text-muted">
                  {t.idle(formatBytes(found.idle))}
                </p>
              )}
            </>
          )
        }
      </Loaded>
    </Card>
  );
}

function Row({ sizing }: { sizing: SizingView }) {
  const t = useMessages(messages);
  const has = [
    sizing.limit === null ? t.noLimit : t.limitOf(formatSize(sizing.limit)),
    sizing.reserved === null ? t.nothingReserved : t.reservedOf(formatSize(sizing.reserved)),
  ];
  const change = [
    sizing.good_limit !== null && t.setLimit(formatSize(sizing.good_limit)),
    sizing.good_reserved !== null && t.setReserved(formatSize(sizing.good_reserved)),
  ].filter(Boolean);
  return (
    <li className="grid grid-cols-1 items-baseline gap-x-4 gap-y-0.5 px-4 py-2.5 text-sm sm:grid-cols-[minmax(0,2fr)_minmax(0,1fr)_minmax(0,2fr)_minmax(0,3fr)]">
      <Link
        to="/explore"
        search={{ of: `service:${sizing.service_id}`, range: "7d" }}
        className="min-w-0 truncate font-medium hover:underline"
      >
        {sizing.service_id}
      </Link>
      <span className="tabular">
        {t.needs} {formatBytes(sizing.worst)}
      </span>
      <span className="tabular text-muted">{has.join(", ")}</span>
      <span className="tabular flex flex-wrap items-baseline gap-x-2">
        <Status tone={TONES[sizing.advice]}>{t.advices[sizing.advice]}</Status>
        <span className="text-muted">{change.join(", ")}</span>
      </span>
    </li>
  );
}
