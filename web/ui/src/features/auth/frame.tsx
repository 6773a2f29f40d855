import type { ReactNode } from "react";
import { Logo } from "@/components/logo";
import { cn } from "@/lib/cn";
import { LANGUAGES, language, setLanguage } from "@/lib/i18n";

/** The page around a form for somebody who is not logged in. */
export function Frame({ title, lead, children }: { title: string; lead: ReactNode; children: ReactNode }) {
  return (
    <main className="flex min-h-dvh items-center justify-center p-4">
      <div className="w-full max-w-sm">
        <div className="mb-6 flex items-center justify-center gap-2.5">
          <Logo className="size-7" />
          <span className="text-lg font-semibold">Control Tower</span>
        </div>
        <div className="rounded-xl border border-line bg-surface p-6 shadow-card">
          <h1 className="text-lg font-semibold">{title}</h1>
          <div className="mt-1 mb-5 text-sm text-muted">{lead}</div>
          {children}
        </div>
        <LanguageChoice />
      </div>
    </main>
  );
}

/** In their own words: whoever cannot read the page can read this. */
function LanguageChoice() {
  return (
    <p className="mt-4 flex justify-center gap-1">
      {LANGUAGES.map((each) => (
        <button
          key={each.language}
          type="button"
          lang={each.language}
          aria-pressed={each.language === language()}
          onClick={() => setLanguage(each.language)}
          className={cn(
            "h-7 rounded px-2 text-xs hover:bg-hover",
            each.language === language() ? "font-medium text-text" : "text-muted",
          )}
        >
          {each.name}
        </button>
      ))}
    </p>
  );
}
