import type { Texts } from "@/lib/i18n";
import type { Entry } from "./entries";
import type { messages } from "./messages";

type Told = Texts<(typeof messages)["en"]>;

/** What happened to the container, in the language that is shown; the server's words for what is not known here. */
export function eventText(entry: Entry, t: Told): string {
  const facts = entry.event;
  const number = (name: string) => Number(facts?.[name] ?? 0);
  switch (facts?.event) {
    case "start":
      return t.event.start(number("revision"));
    case "restart":
      return t.event.restart();
    case "die":
      return t.event.die(number("exit_code"));
    case "oom":
      return t.event.oom();
    case "pause":
      return t.event.pause();
    case "unpause":
      return t.event.unpause();
    case "destroy":
      return t.event.destroy();
    case "health_status":
      return t.event.health(String(facts.health ?? ""));
    case "dropped":
      return t.dropped(number("lines"));
    default:
      return entry.text;
  }
}
