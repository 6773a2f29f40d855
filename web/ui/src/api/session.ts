import { type QueryClient, queryOptions } from "@tanstack/react-query";
import { request, setCsrfToken } from "./client";
import type { ChallengeView, LoginProviderView, LoginView, MeView, SetupView } from "./openapi";

/** Who is logged in, and what they may do. Its CSRF token goes with every change from then on. */
export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async ({ signal }) => {
    const me = await request<MeView>("/auth/me", { signal });
    setCsrfToken(me.csrf_token);
    return me;
  },
  staleTime: Number.POSITIVE_INFINITY,
  retry: false,
});

/** Whether the first administrator is still to be made. */
export const setupQuery = queryOptions({
  queryKey: ["setup"],
  queryFn: ({ signal }) => request<SetupView>("/setup", { signal, refresh: false }),
  retry: false,
});

const LOGGED_IN = "tower.logged-in";

/**
 * Whether it is worth asking who is logged in. The cookies of a login cannot be read here, and to ask without one is
 * a refusal that the audit counts.
 */
export function mayBeLoggedIn(): boolean {
  try {
    return localStorage.getItem(LOGGED_IN) !== null;
  } catch {
    // Storage is blocked: only the server knows.
    return true;
  }
}

function remember(isLoggedIn: boolean): void {
  try {
    if (isLoggedIn) localStorage.setItem(LOGGED_IN, "yes");
    else localStorage.removeItem(LOGGED_IN);
    // Somebody else may log in next.
    if (!isLoggedIn) localStorage.removeItem(SEES_CLUSTER);
  } catch {
    // Storage is blocked: the next page asks the server.
  }
}

const SEES_CLUSTER = "tower.sees-cluster";

/** Whether the cluster may be asked for before it is known who asks: where the last account here saw it. */
export function maySeeCluster(): boolean {
  try {
    return localStorage.getItem(SEES_CLUSTER) !== null;
  } catch {
    return false;
  }
}

/** Keep for the next load whether this account sees the cluster: a refused question is a line of the audit. */
export function noteSight(me: MeView): void {
  try {
    if (me.permissions.includes("cluster.read")) localStorage.setItem(SEES_CLUSTER, "yes");
    else localStorage.removeItem(SEES_CLUSTER);
  } catch {
    // Storage is blocked: then nothing is asked ahead either.
  }
}

/** The login is over: the next page need not ask. */
export function forgetLogin(): void {
  remember(false);
}

/** The last logout: the next login is not to be ended by it. */
let leaving: Promise<void> = Promise.resolve();

/** Log in; the answer is a challenge when a code is needed as well. */
export async function logIn(name: string, password: string): Promise<ChallengeView | null> {
  await leaving.catch(() => {});
  const answer = await request<LoginView | ChallengeView>("/auth/login", {
    method: "POST",
    body: { name, password, mode: "cookie" },
    refresh: false,
  });
  if ("challenge" in answer) return answer;
  remember(true);
  return null;
}

/** Answer a challenge with a code; recovery codes come back when an authenticator was enrolled with it. */
export async function giveCode(challenge: ChallengeView, code: string): Promise<readonly string[]> {
  const answer = await request<LoginView>("/auth/login/code", {
    method: "POST",
    body: {
      challenge: challenge.challenge,
      code,
      enrolment: challenge.enrolment?.ticket ?? null,
      mode: "cookie",
    },
    refresh: false,
  });
  remember(true);
  return answer.recovery_codes ?? [];
}

/** Who else may say who somebody is. Nobody is asked who they are for it. */
export const providersQuery = queryOptions({
  queryKey: ["login-providers"],
  queryFn: ({ signal }) => request<LoginProviderView[]>("/auth/providers", { signal, refresh: false }),
  retry: false,
});

/** An identity provider sent the browser back, and there is a login now. */
export function noteLogin(): void {
  remember(true);
}

/** Make the first administrator with the one-time token that `tower init` printed. */
export async function setUp(token: string, name: string, password: string): Promise<void> {
  await request("/setup", { method: "POST", body: { token, name, password }, refresh: false });
}

/** `leave` the pages behind the login, which would ask for what they show until the end, and log out. */
export function logOut(client: QueryClient, leave: () => Promise<void>): Promise<void> {
  leaving = leave()
    .then(() => request<void>("/auth/logout", { method: "POST", refresh: false }))
    .finally(() => {
      remember(false);
      setCsrfToken(null);
      client.clear();
    });
  return leaving;
}
