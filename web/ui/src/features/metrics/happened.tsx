import { Link } from "@tanstack/react-router";
import type { MarkersView, MarkerView } from "@/api/openapi";
import { type ChartMark, MarkShape } from "@/components/time-chart-markers";
import { formatDuration, formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

/** What happened, as marks of charts, each with a way to more of it. */
export function marksOf(markers: MarkersView | undefined): ChartMark[] {
  return (markers?.markers ?? []).map((marker, place) => ({
    key: `${marker.at_ms} ${marker.kind} ${place}`,
    kind: marker.kind,
    atMs: marker.at_ms,
    label: marker.said,
    isBad: marker.is_bad,
    link: <MoreOf marker={marker} />,
  }));
}

const LINK = "font-medium text-accent hover:underline";

function MoreOf({ marker }: { marker: MarkerView }) {
  const t = useMessages(messages);
  if (marker.alert !== null)
    return (
      <Link to="/alerts" search={{ alert: marker.alert }} className={LINK}>
        {t.openAlert}
      </Link>
    );
  if (marker.rollout_id !== "")
    return (
      <Link to="/rollouts/$rollout" params={{ rollout: marker.rollout_id }} className={LINK}>
        {t.openRollout}
      </Link>
    );
  return null;
}

const SHOWN = 50;

/** The same in words, the newest first: what the marks on the charts are for those who do not point. */
export function Happened({ markers }: { markers: MarkersView }) {
  const t = useMessages(messages);
  const newest = [...markers.markers].reverse();
  if (newest.length === 0) return <p className="px-4 py-3 text-sm text-muted">{t.happenedNone}</p>;
  const more = markers.left_out + Math.max(0, newest.length - SHOWN);
  return (
    <>
      <ul className="divide-y divide-line">
        {newest.slice(0, SHOWN).map((marker, place) => (
          <li
            key={`${marker.at_ms} ${place}`}
            className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5 px-4 py-2 text-sm"
          >
            <span className="translate-y-px">
              <MarkShape kind={marker.kind} isBad={marker.is_bad} />
            </span>
            <span className="tabular w-44 shrink-0 text-muted">{formatMoment(marker.at_ms)}</span>
            <span className="min-w-0 flex-1 basis-60">{marker.said}</span>
            <span className="tabular text-muted">
              {marker.until_ms !== null && formatDuration(marker.until_ms - marker.at_ms)}
            </span>
            <MoreOf marker={marker} />
          </li>
        ))}
      </ul>
      {more > 0 && <p className="px-4 py-2 text-xs text-muted">{t.happenedMore(more)}</p>}
    </>
  );
}
