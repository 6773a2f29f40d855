import { cn } from "@/lib/cn";

interface QuestionListProps {
  label?: string;
  questions: readonly string[];
  /** One below the other, where nothing else is. */
  isStacked?: boolean;
  onAsk: (question: string) => void;
}

/** Questions to ask with one press. */
export function QuestionList({ label, questions, isStacked = false, onAsk }: QuestionListProps) {
  return (
    <ul aria-label={label} className={cn("flex gap-2", isStacked ? "flex-col" : "flex-wrap")}>
      {questions.map((question) => (
        <li key={question} className="max-w-full">
          <button
            type="button"
            className={cn(
              "min-h-8 max-w-full border border-line-strong bg-surface px-3 py-1 text-left text-sm font-medium break-words transition-colors hover:bg-hover pointer-coarse:min-h-10",
              isStacked ? "w-full rounded-md" : "rounded-2xl text-accent",
            )}
            onClick={() => onAsk(question)}
          >
            {question}
          </button>
        </li>
      ))}
    </ul>
  );
}
