import { useQuery } from "@tanstack/react-query";
import { assistantQuery } from "@/api/assistant";
import { useMessages } from "@/lib/i18n";
import { Markdown } from "./markdown";
import { messages } from "./messages";

const RULES = "rules";

/** Who would answer, and how much may still be asked of it today; or why no model does. */
export function Standing() {
  const t = useMessages(messages);
  const { data, error } = useQuery(assistantQuery());
  if (data === undefined) return <p className="min-h-4 px-0.5 text-xs text-muted">{error?.message}</p>;
  const isRules = data.answerer === RULES;
  return (
    <div
      className="tabular px-0.5 text-xs text-muted"
      title={t.tokensOf(data.tokens_used, data.tokens_per_day)}
    >
      {!isRules && `${t.answers(data.answerer)} · ${t.tokensLeft(data.tokens_left)}`}
      {isRules && (
        <Markdown
          text={[t.rules, data.no_model && t.noModel[data.no_model], data.hint].filter(Boolean).join(" ")}
        />
      )}
    </div>
  );
}
