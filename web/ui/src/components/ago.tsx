import { useNow } from "@/lib/clock";
import { formatAge, formatMoment } from "@/lib/format";

interface AgoProps {
  /** Null: never. */
  atMs: number | null;
  /** The words around it. */
  say?: (age: string) => string;
}

/** How long ago something was, anew every second: what is around it is not rendered for that. */
export function Ago({ atMs, say }: AgoProps) {
  const age = formatAge(atMs, useNow());
  return (
    <span title={atMs === null ? undefined : formatMoment(atMs)}>{say === undefined ? age : say(age)}</span>
  );
}
