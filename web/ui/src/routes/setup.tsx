import { useRouter } from "@tanstack/react-router";
import { useState } from "react";
import { SetupPage } from "@/features/auth/setup-page";

/** The token may come behind the # of the address, which no server sees and no log keeps. */
export function SetupRoute() {
  const router = useRouter();
  const [token] = useState(() => new URLSearchParams(window.location.hash.slice(1)).get("token") ?? "");
  return <SetupPage token={token} onDone={() => router.history.push("/")} />;
}
