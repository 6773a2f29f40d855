import { FitAddon } from "@xterm/addon-fit";
import { type ITheme, Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { useEffect, useRef } from "react";
import type { ContainerView } from "@/api/openapi";
import { useMessages } from "@/lib/i18n";
import { useTheme } from "@/lib/theme";
import { adoptStyles } from "./adopted-styles";
import { type ExecEnd, type ExecSocket, execUrl, openExec } from "./exec-socket";
import { messages } from "./messages";

const SCROLLBACK = 5_000;

export interface TerminalScreenProps {
  container: ContainerView;
  command: string[];
  user: string;
  onBegun: () => void;
  onEnd: (end: ExecEnd) => void;
  /** Where the focus goes when somebody leaves the terminal by its keys. */
  onLeave: () => void;
}

/** The terminal itself: xterm, and the socket behind it. One command for as long as it is there. */
export default function TerminalScreen({
  container,
  command,
  user,
  onBegun,
  onEnd,
  onLeave,
}: TerminalScreenProps) {
  const t = useMessages(messages);
  const host = useRef<HTMLDivElement>(null);
  const terminal = useRef<Terminal | null>(null);
  const told = useRef({ onBegun, onEnd, onLeave });
  told.current = { onBegun, onEnd, onLeave };
  const theme = useTheme();

  // biome-ignore lint/correctness/useExhaustiveDependencies: a session is what it was opened as
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const styles = adoptStyles(document);
    const screen = new Terminal({
      allowProposedApi: false,
      cursorBlink: !window.matchMedia("(prefers-reduced-motion: reduce)").matches,
      fontFamily: getComputedStyle(element).fontFamily,
      fontSize: 13,
      scrollback: SCROLLBACK,
      screenReaderMode: true,
      theme: themeOf(element),
    });
    terminal.current = screen;
    const fit = new FitAddon();
    screen.loadAddon(fit);
    screen.open(element);
    fit.fit();
    screen.textarea?.setAttribute("aria-label", t.terminalLabel(container.name));
    screen.attachCustomKeyEventHandler((event) => {
      if (event.key !== "Escape" || !event.ctrlKey || !event.shiftKey) return true;
      if (event.type === "keydown") told.current.onLeave();
      return false;
    });
    const socket: ExecSocket = openExec(
      execUrl(window.location.href, container.node_id, container.id),
      { command, user, columns: screen.cols, rows: screen.rows },
      {
        onBegun: () => {
          told.current.onBegun();
          screen.focus();
        },
        onOutput: (data) => screen.write(data),
        onEnd: (end) => {
          screen.options.disableStdin = true;
          told.current.onEnd(end);
        },
      },
    );
    screen.onData((data) => socket.write(data));
    screen.onBinary((data) => socket.write(Uint8Array.from(data, (letter) => letter.charCodeAt(0))));
    screen.onResize(({ cols, rows }) => socket.resize(cols, rows));
    const observer = new ResizeObserver(() => fit.fit());
    observer.observe(element);
    return () => {
      observer.disconnect();
      socket.close();
      screen.dispose();
      styles.letGo();
      terminal.current = null;
    };
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme changes what the element's colours are
  useEffect(() => {
    const element = host.current;
    if (terminal.current !== null && element !== null) terminal.current.options.theme = themeOf(element);
  }, [theme]);

  return <div ref={host} className="h-full min-h-0 w-full overflow-hidden font-mono" />;
}

/** The page's colours, as what a canvas understands. */
function themeOf(element: HTMLElement): ITheme {
  const style = getComputedStyle(element);
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const colour = (name: string): string => {
    if (canvas === null) return "#888888";
    canvas.fillStyle = "#888888";
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    element.append(probe);
    canvas.fillStyle = getComputedStyle(probe).color;
    probe.remove();
    canvas.fillRect(0, 0, 1, 1);
    const [red = 0, green = 0, blue = 0] = canvas.getImageData(0, 0, 1, 1).data;
    return `#${[red, green, blue].map((part) => part.toString(16).padStart(2, "0")).join("")}`;
  };
  const isDark = style.colorScheme.includes("dark") && !style.colorScheme.includes("light");
  const text = colour("--text");
  return {
    background: colour("--surface"),
    foreground: text,
    cursor: text,
    cursorAccent: colour("--surface"),
    selectionBackground: colour("--accent-soft"),
    ...(isDark || colour("--surface") < "#888888" ? DARK : LIGHT),
  };
}

const LIGHT: ITheme = {
  black: "#24292f",
  red: "#b3261e",
  green: "#0a6b31",
  yellow: "#7a5200",
  blue: "#1f52c4",
  magenta: "#8a2a8f",
  cyan: "#0b6570",
  white: "#5b6470",
  brightBlack: "#4a5360",
  brightRed: "#c7302b",
  brightGreen: "#0f7a3a",
  brightYellow: "#8a5d00",
  brightBlue: "#2a61dd",
  brightMagenta: "#9d36a3",
  brightCyan: "#0f7480",
  brightWhite: "#24292f",
};

const DARK: ITheme = {
  black: "#5c6675",
  red: "#f2837b",
  green: "#6fd08c",
  yellow: "#e3c16f",
  blue: "#8ab4ff",
  magenta: "#dd9be8",
  cyan: "#6fd3dd",
  white: "#d5dae1",
  brightBlack: "#8b95a5",
  brightRed: "#ff9d96",
  brightGreen: "#8fe3a8",
  brightYellow: "#f2d58d",
  brightBlue: "#a9c8ff",
  brightMagenta: "#ecb5f4",
  brightCyan: "#94e3eb",
  brightWhite: "#ffffff",
};
