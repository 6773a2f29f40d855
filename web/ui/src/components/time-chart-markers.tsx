import { type ReactNode, useRef, useState } from "react";
import { stepLabel } from "@/lib/axis-time";
import { cn } from "@/lib/cn";
import { useMessages } from "@/lib/i18n";
import { usePressOutside } from "@/lib/outside";
import { type Cluster, clustered } from "@/lib/plot";
import { messages } from "./time-chart-messages";

export type MarkKind = "deploy" | "alert" | "restart" | "oom" | "host";

/** Something that happened, as a mark at the top of every chart. */
export interface ChartMark {
  key: string;
  kind: MarkKind;
  atMs: number;
  /** In a sentence. */
  label: string;
  isBad: boolean;
  /** A link to it. */
  link?: ReactNode;
}

/** Where the drawing is within its chart, in pixels. */
export interface PlotBox {
  left: number;
  width: number;
}

const APART = 16;
const SHOWN = 6;

/** Shapes differ, so that colour is not alone: triangle, diamond, ring, square. */
export function MarkShape({ kind, isBad }: { kind: MarkKind; isBad: boolean }) {
  const className = cn(
    "size-2.5",
    isBad ? "text-bad-mark" : kind === "alert" ? "text-warn-mark" : "text-accent",
  );
  return (
    <svg viewBox="0 0 10 10" aria-hidden className={cn("shrink-0", className)}>
      {kind === "deploy" && <path d="M5 0.5L9.7 9H0.3Z" fill="currentColor" />}
      {kind === "alert" && <path d="M5 0L10 5L5 10L0 5Z" fill="currentColor" />}
      {kind === "restart" && (
        <circle cx="5" cy="5" r="3.6" fill="none" stroke="currentColor" strokeWidth="2" />
      )}
      {kind === "oom" && <rect x="1" y="1" width="8" height="8" fill="currentColor" />}
      {kind === "host" && <path d="M1 1H9V4H1ZM1 6H9V9H1Z" fill="currentColor" />}
    </svg>
  );
}

interface MarksProps {
  marks: readonly ChartMark[];
  box: PlotBox;
  xOf: (atMs: number) => number;
}

/**
 * The marks of a chart, for those who point; the page lists the same for everybody else. Marks that would cover
 * each other are one.
 */
export function Marks({ marks, box, xOf }: MarksProps) {
  const [open, setOpen] = useState<number | null>(null);
  const clusters = clustered(marks, xOf, box.width, APART);
  const shown = open === null ? undefined : clusters[open];
  const area = useRef<HTMLDivElement>(null);
  usePressOutside(area, open !== null, () => setOpen(null));
  return (
    <div
      ref={area}
      aria-hidden
      className="pointer-events-none absolute inset-x-0 top-0"
      onPointerLeave={() => setOpen(null)}
    >
      {clusters.map((cluster, place) => {
        const [first] = cluster.items;
        if (first === undefined) return null;
        const worst = cluster.items.find((mark) => mark.isBad) ?? first;
        return (
          <button
            key={first.key}
            type="button"
            tabIndex={-1}
            style={{ left: `${box.left + cluster.x - 12}px` }}
            className="pointer-events-auto absolute top-0 flex size-6 items-center justify-center"
            onPointerEnter={(event) => event.pointerType === "mouse" && setOpen(place)}
            onClick={() => setOpen(place)}
          >
            <MarkShape kind={worst.kind} isBad={worst.isBad} />
            {cluster.items.length > 1 && (
              <span className="absolute top-0 left-4 text-[9px] leading-3 text-muted">
                {cluster.items.length}
              </span>
            )}
          </button>
        );
      })}
      {shown !== undefined && <Happened cluster={shown} box={box} />}
    </div>
  );
}

const CARD_WIDTH = 272;

function Happened({ cluster, box }: { cluster: Cluster<ChartMark>; box: PlotBox }) {
  const t = useMessages(messages);
  const right = box.left + box.width;
  const left = Math.max(0, Math.min(box.left + cluster.x - CARD_WIDTH / 2, right - CARD_WIDTH));
  return (
    <div
      style={{ left: `${left}px`, width: `${CARD_WIDTH}px` }}
      className="pointer-events-auto absolute top-6 z-20 rounded-lg border border-line bg-raised p-2.5 text-xs shadow-float"
    >
      <ul className="flex flex-col gap-1.5">
        {cluster.items.slice(0, SHOWN).map((mark) => (
          <li key={mark.key} className="flex gap-2">
            <span className="mt-0.5">
              <MarkShape kind={mark.kind} isBad={mark.isBad} />
            </span>
            <span className="min-w-0">
              <span className="tabular block text-muted">{stepLabel(mark.atMs, 0)}</span>
              <span className="block break-words">{mark.label}</span>
              {mark.link}
            </span>
          </li>
        ))}
      </ul>
      {cluster.items.length > SHOWN && (
        <p className="mt-1.5 text-muted">{t.more(cluster.items.length - SHOWN)}</p>
      )}
    </div>
  );
}
