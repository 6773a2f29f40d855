import { Sparkles } from "lucide-react";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

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
      <ul className="flex flex-col gap-1.5">
        {Object.values(t.questions).map((question) => (
          <li key={question}>
            <Button
              className="h-auto min-h-9 w-full justify-start py-1.5 text-left whitespace-normal pointer-coarse:h-auto pointer-coarse:min-h-10"
              onClick={() => onAsk(question)}
            >
              {question}
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}
