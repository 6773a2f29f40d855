import { Link } from "@tanstack/react-router";
import { MapPinOff } from "lucide-react";
import { Logo } from "@/components/logo";
import { Empty, Failed, Loading } from "@/components/states";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

/** Shown when a host takes a second or more to say who is logged in. */
export function Beginning() {
  const t = useMessages(messages);
  return (
    <main className="flex min-h-dvh items-center justify-center">
      <div role="status" aria-label={t.loadingPage} className="animate-breathe">
        <Logo className="size-8" />
      </div>
    </main>
  );
}

/** Shown in the frame while a page is fetched. */
export function BeginningPage() {
  const t = useMessages(messages);
  return <Loading label={t.loadingPage} rows={6} className="p-0" />;
}

export function NoSuchPage() {
  const t = useMessages(messages);
  return (
    <main className="flex min-h-dvh items-center justify-center">
      <Empty icon={<MapPinOff className="size-5" />} title={t.noSuchPage} isPage>
        <Link to="/" className="font-medium text-accent hover:underline">
          {t.goTo(t.overview)}
        </Link>
      </Empty>
    </main>
  );
}

/** A page that could not even begin: the host does not answer, or a part of the page could not be fetched. */
export function Broken({ error }: { error: unknown }) {
  return (
    <main className="flex min-h-dvh items-center justify-center">
      <Failed error={error} isPage onRetry={() => window.location.reload()} />
    </main>
  );
}
