import { useRouter, useSearch } from "@tanstack/react-router";
import { LoginPage } from "@/features/auth/login-page";

export function LoginRoute() {
  const router = useRouter();
  const { next }: { next?: string | undefined } = useSearch({ strict: false });
  return <LoginPage onLoggedIn={() => router.history.push(next ?? "/")} />;
}
