import { Link } from "@tanstack/react-router";
import { MapPinOff } from "lucide-react";
import { Logo } from "@/components/logo";
import { Empty, Failed } from "@/components/states";

/** Shown when a host takes a second or more to say who is logged in. */
export function Beginning() {
  return (
    <main className="flex min-h-dvh items-center justify-center">
      <div role="status" aria-label="Loading" className="animate-breathe">
        <Logo className="size-8" />
      </div>
    </main>
  );
}

export function NoSuchPage() {
  return (
    <main className="flex min-h-dvh items-center justify-center">
      <Empty icon={<MapPinOff className="size-5" />} title="No such page">
        <Link to="/" className="font-medium text-accent hover:underline">
          Go to the overview
        </Link>
      </Empty>
    </main>
  );
}

/** A page that could not even begin: the host does not answer, or a part of the page could not be fetched. */
export function Broken({ error }: { error: unknown }) {
  return (
    <main className="flex min-h-dvh items-center justify-center">
      <Failed error={error} onRetry={() => window.location.reload()} />
    </main>
  );
}
