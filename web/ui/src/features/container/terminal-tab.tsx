import { CirclePause, Maximize2, Minimize2, RotateCw, Square, SquareTerminal } from "lucide-react";
import { type FormEvent, Suspense, useRef, useState } from "react";
import type { ContainerView } from "@/api/openapi";
import { Sentence } from "@/components/sentence";
import { Empty, Loading } from "@/components/states";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { Card, Section } from "@/components/ui/section";
import { cn } from "@/lib/cn";
import { lazily } from "@/lib/fetched";
import { useMessages } from "@/lib/i18n";
import { type ExecEnd, wordsOf } from "./exec-socket";
import { messages } from "./messages";

const TerminalScreen = lazily(() => import("./terminal-screen"));

const LOGIN_OVER = 4401;
const NOT_ALLOWED = 4403;
const IDLE = 4408;
const GOING_AWAY = 1001;

interface Session {
  number: number;
  command: string[];
  user: string;
  standing: "connecting" | "connected" | ExecEnd;
}

/** A terminal inside a container. Opened by hand: that it was is recorded. */
export default function TerminalTab({ container }: { container: ContainerView }) {
  const t = useMessages(messages);
  const [command, setCommand] = useState("");
  const [user, setUser] = useState("");
  const [session, setSession] = useState<Session | null>(null);
  const [isLarge, setLarge] = useState(false);
  const leave = useRef<HTMLButtonElement>(null);
  const words = wordsOf(command);
  if (container.state !== "running" && session === null) {
    return (
      <Empty icon={<CirclePause className="size-5" />} title={t.tabs.terminal}>
        {t.notRunning}
      </Empty>
    );
  }
  const open = () =>
    setSession((before) => ({
      number: (before?.number ?? 0) + 1,
      command: words ?? [],
      user: user.trim(),
      standing: "connecting",
    }));
  if (session === null) {
    return (
      <Section title={t.tabs.terminal}>
        <Card className="p-4">
          <form
            className="flex max-w-xl flex-col gap-4"
            onSubmit={(event: FormEvent) => {
              event.preventDefault();
              open();
            }}
          >
            <p className="text-sm text-muted">{t.openText(container.name, container.node_name)}</p>
            <div className="grid gap-4 sm:grid-cols-2">
              <Field label={t.shell} hint={t.shellHint}>
                {(control) => (
                  <Input
                    {...control}
                    value={command}
                    spellCheck={false}
                    autoComplete="off"
                    onChange={(event) => setCommand(event.currentTarget.value)}
                    className="w-full font-mono"
                  />
                )}
              </Field>
              <Field label={t.terminalUser} hint={t.terminalUserHint}>
                {(control) => (
                  <Input
                    {...control}
                    value={user}
                    spellCheck={false}
                    autoComplete="off"
                    onChange={(event) => setUser(event.currentTarget.value)}
                    className="w-full font-mono"
                  />
                )}
              </Field>
            </div>
            <div>
              <Button type="submit" tone="primary" disabled={words === null}>
                <SquareTerminal aria-hidden className="size-4" />
                {t.open}
              </Button>
            </div>
          </form>
        </Card>
      </Section>
    );
  }
  const { number, standing } = session;
  const isOver = typeof standing === "object";
  const settle = (next: Session["standing"]) =>
    setSession((now) => (now?.number === number ? { ...now, standing: next } : now));
  return (
    <Section
      title={t.tabs.terminal}
      className={cn(isLarge && "fixed inset-0 z-30 bg-bg p-3")}
      note={
        <span role="status" aria-live="polite">
          <Standing session={session} />
        </span>
      }
      actions={
        <>
          {isOver ? (
            <Button ref={leave} tone="primary" onClick={open}>
              <RotateCw aria-hidden className="size-3.5" />
              {t.again}
            </Button>
          ) : (
            <Button ref={leave} onClick={() => setSession(null)}>
              <Square aria-hidden className="size-3.5" />
              {t.end}
            </Button>
          )}
          <Button
            isIcon
            aria-label={isLarge ? t.smaller : t.fullscreen}
            title={isLarge ? t.smaller : t.fullscreen}
            onClick={() => setLarge(!isLarge)}
          >
            {isLarge ? (
              <Minimize2 aria-hidden className="size-4" />
            ) : (
              <Maximize2 aria-hidden className="size-4" />
            )}
          </Button>
        </>
      }
    >
      <Card className={cn("min-h-0 overflow-hidden p-2", isLarge ? "flex-1" : "h-[60vh] min-h-80")}>
        <Suspense fallback={<Loading label={t.connecting} rows={10} />}>
          <TerminalScreen
            key={number}
            container={container}
            command={session.command}
            user={session.user}
            onBegun={() => settle("connected")}
            onEnd={settle}
            onLeave={() => leave.current?.focus()}
          />
        </Suspense>
      </Card>
      <p className="mt-2 text-xs text-muted">{t.terminalHint}</p>
    </Section>
  );
}

function Standing({ session: { standing, user } }: { session: Session }) {
  const t = useMessages(messages);
  if (standing === "connecting") return <Status tone="accent">{t.connecting}</Status>;
  if (standing === "connected") return <Status tone="ok">{t.connected(user)}</Status>;
  if (standing.kind === "exited") {
    return <Status tone={standing.code === 0 ? "neutral" : "warn"}>{t.exited(standing.code)}</Status>;
  }
  if (standing.kind === "problem")
    return (
      <Status tone="bad">
        <Sentence text={standing.text} />
      </Status>
    );
  const why =
    {
      [LOGIN_OVER]: t.loginOver,
      [NOT_ALLOWED]: t.notAllowedAnyMore,
      [IDLE]: t.idle,
      [GOING_AWAY]: t.stopping,
    }[standing.code] ?? t.lost;
  return <Status tone="warn">{why}</Status>;
}
