import { CircleAlert, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { cn } from "@/lib/cn";

/** Something that holds for the whole page, in words, with what to do about it. */
export function Banner({
  tone,
  title,
  action,
  children,
}: {
  tone: "bad" | "warn";
  title: string;
  /** A button, at the end. */
  action?: ReactNode;
  children: ReactNode;
}) {
  const Icon = tone === "bad" ? CircleAlert : TriangleAlert;
  return (
    <div
      role={tone === "bad" ? "alert" : "status"}
      className={cn(
        "flex items-start gap-3 rounded-lg border px-4 py-2.5",
        tone === "bad" ? "border-bad-mark/40 bg-bad-soft" : "border-warn-mark/40 bg-warn-soft",
      )}
    >
      <Icon aria-hidden className={cn("mt-0.5 size-4 shrink-0", tone === "bad" ? "text-bad" : "text-warn")} />
      <div className="flex min-w-0 flex-1 flex-wrap items-center gap-x-3 gap-y-2">
        <div className="min-w-0 flex-1 basis-60">
          <p className={cn("text-base font-semibold", tone === "bad" ? "text-bad" : "text-warn")}>{title}</p>
          <div className="text-sm">{children}</div>
        </div>
        {action !== undefined && <div className="shrink-0">{action}</div>}
      </div>
    </div>
  );
}
