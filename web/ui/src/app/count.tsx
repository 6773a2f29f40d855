import { cn } from "@/lib/cn";

interface CountProps {
  count: number;
  /** The same for readers. */
  words: string;
  isBad?: boolean;
  isIcons: boolean;
}

/** How much waits behind a link of the navigation; nothing when nothing does. */
export function Count({ count, words, isBad = false, isIcons }: CountProps) {
  if (count === 0) return null;
  return (
    <span
      className={cn(
        "tabular ml-auto inline-flex h-5 min-w-5 items-center justify-center rounded-full px-1 text-xs font-semibold",
        isBad ? "bg-bad-soft text-bad" : "bg-warn-soft text-warn",
        isIcons && "md:max-lg:absolute md:max-lg:top-0 md:max-lg:right-0 md:max-lg:h-4 md:max-lg:min-w-4",
      )}
    >
      <span aria-hidden>{count}</span>
      <span className="sr-only">{words}</span>
    </span>
  );
}
