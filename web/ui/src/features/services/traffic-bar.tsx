import type { ShareView, SplitView } from "@/api/openapi";
import { cn } from "@/lib/cn";
import { formatShare } from "@/lib/format";
import { textsOf, useMessages } from "@/lib/i18n";
import { messages } from "./messages";

/** Told by their names; the shades tell them apart on the bar. */
const FILL = { blue: "bg-accent", green: "bg-ok-mark" } as const satisfies Record<
  ShareView["colour"],
  string
>;

/** How the requests of a service are shared: a bar, and the same in words. */
export function TrafficBar({ split, label }: { split: SplitView; label: string }) {
  const t = useMessages(messages);
  const shares = split.shares.filter((share) => share.permille > 0 || share.revisions.length > 0);
  const words = shares.map(wordsOf).join(", ");
  return (
    <div className="flex flex-col gap-1">
      <div role="img" aria-label={`${label}: ${words}`} className="flex h-1.5 gap-0.5">
        {shares
          .filter((share) => share.permille > 0)
          .map((share) => (
            <span
              key={share.colour}
              className={cn("h-full rounded-[2px]", FILL[share.colour])}
              style={{ width: `${share.permille / 10}%` }}
            />
          ))}
      </div>
      <p className="tabular flex flex-wrap gap-x-4 text-sm text-muted">
        {shares.map((share) => (
          <span key={share.colour} className="inline-flex items-center gap-1.5">
            <span aria-hidden className={cn("size-2 rounded-[2px]", FILL[share.colour])} />
            {wordsOf(share)}
          </span>
        ))}
      </p>
      {split.waiting_for.length > 0 && (
        <p className="text-sm text-warn">{t.notInForce(split.waiting_for.join(", "))}</p>
      )}
    </div>
  );
}

function wordsOf({ colour, permille, revisions, replicas }: ShareView): string {
  const t = textsOf(messages);
  const revision = revisions.length === 0 ? "" : t.shareRevision(revisions.join(", "));
  return t.shareOf(t.colours[colour], formatShare(permille), revision, String(replicas));
}
