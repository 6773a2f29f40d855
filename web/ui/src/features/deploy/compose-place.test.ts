import { describe, expect, test } from "vitest";
import { indentBelow, pathOfLine, placeAt } from "./compose-place";

/** Where `|` stands in the text. */
function at(text: string) {
  const position = text.indexOf("|");
  return placeAt(text.replace("|", ""), position);
}

const file = (...lines: string[]) => lines.join("\n");

describe("a key", () => {
  test.each([
    ["at the top", "ser|", []],
    ["of a service", file("services:", "  web:", "    im|"), ["services", "web"]],
    [
      "of the second service",
      file("services:", "  web:", "    image: a", "  api:", "    |"),
      ["services", "api"],
    ],
    [
      "after a nested one",
      file("services:", "  web:", "    deploy:", "      replicas: 2", "    |"),
      ["services", "web"],
    ],
    [
      "of an element",
      file("services:", "  web:", "    ports:", "      - tar|"),
      ["services", "web", "ports", 0],
    ],
    [
      "of an element's second line",
      file("ports:", "  - target: 80", "  - target: 81", "    pub|"),
      ["ports", 1],
    ],
    ["of an element at its list's column", file("ports:", "- target: 80", "- |"), ["ports", 1]],
    [
      "below a comment and a blank line",
      file("services:", "  web:", "    # note", "", "    |"),
      ["services", "web"],
    ],
    ["below a value in quotes", file("services:", '  "my web":', "    |"), ["services", "my web"]],
    ["back at the top", file("services:", "  web:", "    image: a", "|"), []],
  ])("%s", (_, text, path) => {
    expect(at(text)).toMatchObject({ kind: "key", path });
  });

  test("knows what is written of it, and its siblings above and below", () => {
    const place = at(
      file(
        "services:",
        "  web:",
        "    image: a",
        "    co|",
        "    deploy:",
        "      x: 1",
        "  api:",
        "    ports: []",
      ),
    );
    expect(place?.written).toBe("co");
    expect([...(place?.siblings ?? [])].sort()).toEqual(["deploy", "image"]);
  });

  test("of an element has the siblings of its element alone", () => {
    const place = at(file("ports:", "  - target: 80", "    |", "  - target: 81", "    name: b"));
    expect([...(place?.siblings ?? [])]).toEqual(["target"]);
  });
});

describe("a value", () => {
  test("belongs to its key", () => {
    const place = at(file("services:", "  web:", "    x-tower:", "      strategy: can|"));
    expect(place).toMatchObject({
      kind: "value",
      written: "can",
      path: ["services", "web", "x-tower", "strategy"],
    });
  });

  test("has no place before the space", () => expect(at("name:|")).toBeNull());
  test("of an address with a colon is one value", () => {
    expect(at(file("image: registry:5000/a|"))).toMatchObject({
      path: ["image"],
      written: "registry:5000/a",
    });
  });
});

test("nothing is completed in comments and blocks of text", () => {
  expect(at(file("services:", "  # im|"))).toBeNull();
  expect(at(file("configs:", "  a:", "    content: >-", "      x: y", "      im|"))).toBeNull();
  const after = file("configs:", "  a:", "    content: >-", "      x: y", "    ext|");
  expect(at(after)).toMatchObject({ path: ["configs", "a"] });
});

test("any prefix of a file has a place or none, and never fails", () => {
  const text = file(
    "services:",
    "  web:",
    "    ports:",
    "    - 80:80",
    "    - target: 1",
    "      x: {a: b}",
    "\t- :",
    "? -",
    "&a *b:",
  );
  for (let end = 0; end <= text.length; end += 1) expect(() => placeAt(text, end)).not.toThrow();
});

test("a line has the path of its key", () => {
  const text = file("services:", "  web:", "    ports:", "      - target: 80", "        published: 1");
  expect(pathOfLine(text, 2)).toEqual(["services", "web"]);
  expect(pathOfLine(text, 5)).toEqual(["services", "web", "ports", 0, "published"]);
  expect(pathOfLine(text, 99)).toEqual([]);
});

test.each([
  ["services:", 2],
  ["  - target:", 6],
  ["  web:  # note", 4],
  ["  image: a", null],
  ["  # web:", null],
  ["", null],
])("what is written below '%s' begins at column %s", (line, column) => {
  expect(indentBelow(line)).toBe(column);
});
