import { useQuery } from "@tanstack/react-query";
import { assistantQuery } from "@/api/assistant";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

const RULES = "rules";

/** Who would answer, why no model does, and how much may still be asked of it today. */
export function Standing() {
  const t = useMessages(messages);
  const { data } = useQuery(assistantQuery);
  if (data === undefined) return <p className="min-h-4 text-xs text-muted" />;
  const isRules = data.answerer === RULES;
  return (
    <p className="tabular min-h-4 text-xs break-words text-muted" title={data.hint || undefined}>
      {isRules ? t.rules : t.answers(data.answerer)}
      {isRules && data.no_model !== null && `. ${t.noModel[data.no_model]} ${data.hint}`}
      {!isRules && ` · ${t.tokensLeft(data.tokens_left, data.tokens_per_day)}`}
    </p>
  );
}
