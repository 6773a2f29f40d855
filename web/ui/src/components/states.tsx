import { CircleAlert, Lock, RotateCw, WifiOff } from "lucide-react";
import type { ReactNode } from "react";
import { ApiError, errorWords, Unreachable } from "@/api/problem";
import { Sentence } from "@/components/sentence";
import { cn } from "@/lib/cn";
import { useMessages } from "@/lib/i18n";
import { Hints } from "./form-error";
import { messages } from "./messages";
import { Button } from "./ui/button";

/** Grey bars where data will be, of about its size. */
export function Loading({
  label,
  rows = 3,
  className,
}: {
  label: string;
  rows?: number;
  className?: string;
}) {
  return (
    <div role="status" aria-label={label} className={cn("flex flex-col gap-3 p-4", className)}>
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="animate-breathe h-4 rounded bg-hover" />
      ))}
    </div>
  );
}

interface NoticeProps {
  icon: ReactNode;
  title: ReactNode;
  /** It stands for a whole page, whose heading its title is. */
  isPage?: boolean;
  children?: ReactNode;
}

function Notice({ icon, title, isPage = false, children }: NoticeProps) {
  const Title = isPage ? "h1" : "p";
  return (
    <div className="flex flex-col items-center gap-1.5 px-6 py-8 text-center">
      <span aria-hidden className="mb-1 text-muted">
        {icon}
      </span>
      <Title className="text-base font-medium">{title}</Title>
      {children}
    </div>
  );
}

/** Nothing there, what that means, and what to do. */
export function Empty({ children, ...notice }: NoticeProps) {
  return (
    <Notice {...notice}>
      <div className="max-w-md text-sm text-muted">{children}</div>
    </Notice>
  );
}

/** A read that failed: what happened, what to do, and a way to try again. Refused for lack of rights: only why. */
export function Failed({
  error,
  isPage = false,
  onRetry,
}: {
  error: unknown;
  isPage?: boolean;
  onRetry: () => void;
}) {
  const t = useMessages(messages);
  if (error instanceof ApiError && error.status === 403) {
    return (
      <Notice icon={<Lock className="size-5" />} title={t.notAllowed} isPage={isPage}>
        <p className="max-w-md text-sm text-muted">
          <Sentence text={error.problem.detail} />
        </p>
      </Notice>
    );
  }
  const isUnreachable = error instanceof Unreachable;
  return (
    <Notice
      icon={isUnreachable ? <WifiOff className="size-5" /> : <CircleAlert className="size-5 text-bad" />}
      title={
        error instanceof ApiError ? (
          <Sentence text={error.problem.title} />
        ) : isUnreachable ? (
          t.noAnswer
        ) : (
          t.failed
        )
      }
      isPage={isPage}
    >
      <div role="alert" className="max-w-md text-sm text-muted">
        <p>{error instanceof ApiError ? <Sentence text={error.message} /> : errorWords(error)}</p>
        {error instanceof ApiError && <Hints error={error} />}
      </div>
      <Button className="mt-2" onClick={onRetry}>
        <RotateCw aria-hidden className="size-3.5" />
        {t.retry}
      </Button>
    </Notice>
  );
}
