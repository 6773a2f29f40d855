/** Puts a stream of text together to the JSON values of its lines. Blank lines are heartbeats. */
export class Ndjson<Value> {
  private rest = "";

  /** The values of the lines that `text` completes. */
  push(text: string): Value[] {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop() ?? "";
    return lines.filter((line) => line.trim() !== "").map((line) => JSON.parse(line) as Value);
  }
}
