import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { MessagesSquare, Trash2 } from "lucide-react";
import { useState } from "react";
import { ASSISTANT_KEY, conversationsQuery, forget } from "@/api/assistant";
import type { ConversationView } from "@/api/openapi";
import { useCan } from "@/api/permissions";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { useNow } from "@/lib/clock";
import { formatAge, formatMoment } from "@/lib/format";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

interface HistoryListProps {
  /** The one that is open. */
  conversation: string | null;
  onOpen: (id: string) => void;
  onForgotten: (id: string) => void;
}

/** One's own conversations, to go on with or to forget. */
export function HistoryList({ conversation, onOpen, onForgotten }: HistoryListProps) {
  const t = useMessages(messages);
  const query = useQuery(conversationsQuery);
  const client = useQueryClient();
  const [doomed, setDoomed] = useState<ConversationView | null>(null);
  const forgetting = useMutation({
    mutationFn: (id: string) => forget(id),
    onSuccess: (_, id) => onForgotten(id),
    onSettled: () => {
      setDoomed(null);
      return client.invalidateQueries({ queryKey: ASSISTANT_KEY });
    },
  });
  return (
    <>
      <Loaded query={query} loading={<Loading label={t.loading} rows={4} />}>
        {(conversations) =>
          conversations.length === 0 ? (
            <Empty icon={<MessagesSquare className="size-5" />} title={t.none}>
              {t.noneHint}
            </Empty>
          ) : (
            <ul className="divide-y divide-line">
              {conversations.map((each) => (
                <Row
                  key={each.id}
                  conversation={each}
                  isOpen={each.id === conversation}
                  onOpen={() => onOpen(each.id)}
                  onForget={() => setDoomed(each)}
                />
              ))}
            </ul>
          )
        }
      </Loaded>
      {doomed !== null && (
        <Confirm
          title={t.forgetTitle}
          verb={t.forgetVerb}
          isDangerous
          isPending={forgetting.isPending}
          onConfirm={() => forgetting.mutate(doomed.id)}
          onCancel={() => setDoomed(null)}
        >
          <p className="break-words">{doomed.title}</p>
          <p>{t.forgetNote}</p>
        </Confirm>
      )}
    </>
  );
}

interface RowProps {
  conversation: ConversationView;
  isOpen: boolean;
  onOpen: () => void;
  onForget: () => void;
}

function Row({ conversation, isOpen, onOpen, onForget }: RowProps) {
  const t = useMessages(messages);
  const can = useCan();
  const now = useNow();
  const { title, exchanges, changed_at_ms: changedMs } = conversation;
  return (
    <li className="flex items-center gap-1 pr-2 hover:bg-hover">
      <button
        type="button"
        aria-current={isOpen || undefined}
        className="flex min-w-0 flex-1 flex-col gap-0.5 px-4 py-2.5 text-left"
        onClick={onOpen}
      >
        <span className="max-w-full truncate font-medium">{title}</span>
        <span className="tabular text-xs text-muted">
          <time dateTime={new Date(changedMs).toISOString()} title={formatMoment(changedMs)}>
            {formatAge(changedMs, now)}
          </time>{" "}
          · {t.asked(exchanges)}
        </span>
      </button>
      {can("assistant.forget") && (
        <Button tone="ghost" isIcon aria-label={t.forget(title)} onClick={onForget}>
          <Trash2 aria-hidden className="size-4" />
        </Button>
      )}
    </li>
  );
}
