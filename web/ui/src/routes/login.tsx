import { useRouter, useSearch } from "@tanstack/react-router";
import { LoginPage } from "@/features/auth/login-page";
import type { LoginSearch } from "./login-search";

export function LoginRoute() {
  const router = useRouter();
  const { next, refused, provider }: LoginSearch = useSearch({ strict: false });
  return (
    <LoginPage
      next={next ?? "/"}
      refused={refused}
      refusedBy={provider}
      onLoggedIn={() => router.history.push(next ?? "/")}
    />
  );
}
