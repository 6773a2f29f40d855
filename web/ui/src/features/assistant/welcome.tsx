import { Sparkles } from "lucide-react";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { QuestionList } from "./question-list";

/** Before the first question: what this is, and what people ask most. */
export function Welcome({ onAsk }: { onAsk: (question: string) => void }) {
  const t = useMessages(messages);
  return (
    <div className="flex flex-col gap-4 py-6">
      <div className="flex flex-col items-center gap-1.5 px-4 text-center">
        <Sparkles aria-hidden className="size-5 text-accent" />
        <p className="text-base font-medium">{t.welcome}</p>
        <p className="text-sm text-muted">{t.welcomeNote}</p>
      </div>
      <QuestionList isStacked questions={Object.values(t.questions)} onAsk={onAsk} />
    </div>
  );
}
