import type { UseQueryResult } from "@tanstack/react-query";
import { TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { ApiError, Unreachable } from "@/api/problem";
import { Sentence } from "@/components/sentence";
import { serverTimeOf, useNow } from "@/lib/clock";
import { formatAge } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { Failed } from "./states";

interface LoadedProps<Data> {
  query: UseQueryResult<Data>;
  loading: ReactNode;
  children: (data: Data) => ReactNode;
}

/**
 * What a query brings, in whichever state it is. Data that could not be renewed is shown, and said to be old; that
 * the host itself does not answer is said once, at the top of the page.
 */
export function Loaded<Data>({ query, loading, children }: LoadedProps<Data>) {
  if (query.data !== undefined) {
    return (
      <>
        {query.isError && !(query.error instanceof Unreachable) && (
          <OldData since={query.dataUpdatedAt} error={query.error} />
        )}
        {children(query.data)}
      </>
    );
  }
  if (query.isError) return <Failed error={query.error} onRetry={() => void query.refetch()} />;
  return loading;
}

function OldData({ since, error }: { since: number; error: Error }) {
  const now = useNow();
  const t = useMessages(messages);
  return (
    <p role="status" className="flex items-start gap-2 border-b border-line px-4 py-2 text-sm text-warn">
      <TriangleAlert aria-hidden className="mt-0.5 size-3.5 shrink-0" />
      <span>
        {t.lastKnown(formatAge(serverTimeOf(since), now))}{" "}
        {error instanceof ApiError ? <Sentence text={error.message} /> : error.message}
      </span>
    </p>
  );
}
