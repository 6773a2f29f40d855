import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext, useEffect, useState, useSyncExternalStore } from "react";
import { learnServerTime } from "@/lib/clock";
import { API, send } from "./client";
import { applyLive, refreshAll } from "./live-cache";
import { LiveConnection, type LiveStatus } from "./live-connection";

/** How often everything is asked again while there is no live connection. */
const POLL_MS = 5_000;

export const LiveContext = createContext<LiveConnection | null>(null);

function ignore(): void {}

function makeConnection(client: QueryClient): LiveConnection {
  return new LiveConnection({
    url: `${window.location.origin.replace(/^http/, "ws")}${API}/live`,
    onMessage: (message) => applyLive(client, message),
    onHeartbeat: learnServerTime,
    // Whatever the answer is: a session that is over leads to the login by itself.
    checkSession: () => send("/auth/me").then(ignore, ignore),
  });
}

/** The page's live connection, for as long as the caller is mounted. */
export function useLiveConnection(): LiveConnection {
  const client = useQueryClient();
  const [connection] = useState(() => makeConnection(client));
  useEffect(() => {
    let lostAtMs: number | null = null;
    const unsubscribe = connection.subscribe(() => {
      const status = connection.getStatus();
      const nowLostAtMs = status.phase === "open" ? null : status.lostAtMs;
      // What it would have told is asked for at once, and whether it answers at all is seen.
      if (nowLostAtMs !== null && nowLostAtMs !== lostAtMs) refreshAll(client);
      lostAtMs = nowLostAtMs;
    });
    connection.connect();
    const retry = () => {
      if (document.visibilityState === "visible" && connection.getStatus().phase === "waiting")
        connection.connect();
    };
    const polling = setInterval(() => {
      if (connection.getStatus().phase !== "open") refreshAll(client);
    }, POLL_MS);
    window.addEventListener("online", retry);
    document.addEventListener("visibilitychange", retry);
    return () => {
      unsubscribe();
      clearInterval(polling);
      window.removeEventListener("online", retry);
      document.removeEventListener("visibilitychange", retry);
      connection.close();
    };
  }, [connection, client]);
  return connection;
}

const NEVER = { phase: "connecting", lostAtMs: null } as const;

export function useLiveStatus(): LiveStatus {
  const connection = useContext(LiveContext);
  return useSyncExternalStore(
    (listener) => connection?.subscribe(listener) ?? (() => {}),
    () => connection?.getStatus() ?? NEVER,
  );
}

export function useReconnect(): () => void {
  const connection = useContext(LiveContext);
  return () => connection?.connect();
}
