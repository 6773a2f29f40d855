import { useQuery } from "@tanstack/react-query";
import { assistantQuery } from "@/api/assistant";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

const RULES = "rules";

/** Who would answer, and how much may still be asked of it today; or why no model does. */
export function Standing() {
  const t = useMessages(messages);
  const { data, error } = useQuery(assistantQuery);
  return (
    <p
      className="tabular min-h-4 px-0.5 text-xs break-words text-muted"
      title={data && t.tokensOf(data.tokens_used, data.tokens_per_day)}
    >
      {data === undefined ? error?.message : data.answerer === RULES ? t.rules : t.answers(data.answerer)}
      {data?.answerer === RULES && data.no_model !== null && ` ${t.noModel[data.no_model]} ${data.hint}`}
      {data !== undefined && data.answerer !== RULES && ` · ${t.tokensLeft(data.tokens_left)}`}
    </p>
  );
}
