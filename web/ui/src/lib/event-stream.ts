/** Puts a stream of text together to the data of its server-sent events. Comments are heartbeats. */
export class EventStream {
  private rest = "";

  /** The data of the events that `text` completes. */
  push(text: string): string[] {
    const events = (this.rest + text).split("\n\n");
    this.rest = events.pop() ?? "";
    return events.map(dataOf).filter((data) => data !== "");
  }
}

function dataOf(event: string): string {
  return event
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice("data:".length).trimStart())
    .join("\n");
}
