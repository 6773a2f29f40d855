// @vitest-environment happy-dom
import { createRoot } from "react-dom/client";
import { afterEach, expect, test, vi } from "vitest";
import type { Reference } from "@/api/openapi";
import { CitingContext } from "./cited";
import { Markdown } from "./markdown";
import { withoutOpenLink } from "./markdown-blocks";

const REFERENCE: Reference = { number: 3, label: "CPU of h2", path: "/explore?of=host:h2" };

afterEach(() => {
  document.body.innerHTML = "";
});

function rendered(text: string, { isOpen = false, onFollow = (_: string) => {} } = {}): HTMLElement {
  const root = document.createElement("div");
  document.body.append(root);
  createRoot(root).render(
    <CitingContext.Provider value={{ references: new Map([[3, REFERENCE]]), onFollow }}>
      <Markdown text={text} isOpen={isOpen} />
    </CitingContext.Provider>,
  );
  return root;
}

test("a number is a link to where it was read, and names it", () => {
  const onFollow = vi.fn();
  const link = rendered("at [84 %](ref:3)", { onFollow }).querySelector("a");
  expect(link?.getAttribute("href")).toBe("/explore?of=host:h2");
  expect(link?.title).toBe("CPU of h2");
  link?.click();
  expect(onFollow).toHaveBeenCalledExactlyOnceWith("/explore?of=host:h2");
});

test.each([
  ["an unknown reference", "[84 %](ref:9)", "84 %"],
  ["another site", "[here](https://evil.example/)", "here (https://evil.example/)"],
  ["a bare address", "https://evil.example/", "https://evil.example/"],
  ["a script", "[here](javascript:alert(1))", "here (javascript:alert(1))"],
  ["an image", "![chart](https://evil.example/x.png)", "chart"],
  ["HTML", "<img src=x onerror=alert(1)><b>x</b>", "<img src=x onerror=alert(1)><b>x</b>"],
  ["a block of HTML", "<script>alert(1)</script>", "<script>alert(1)</script>"],
])("%s is plain text", (_, text, shown) => {
  const root = rendered(text);
  expect(root.textContent).toBe(shown);
  expect(root.querySelector("a, img, script, b, iframe")).toBeNull();
});

test("lists, tables, code and emphasis are elements", () => {
  const root = rendered(
    "# Why\n\n1. **one**\n   - _two_\n\n| a | b |\n|---|--:|\n| 1 | `2` |\n\n```\nls <x>\n```\n\n> said",
  );
  expect(root.querySelector("ol > li strong")?.textContent).toBe("one");
  expect(root.querySelector("ol ul em")?.textContent).toBe("two");
  expect(root.querySelector("td.text-right code")?.textContent).toBe("2");
  expect(root.querySelector("pre")?.textContent).toBe("ls <x>");
  expect(root.querySelector("blockquote")?.textContent).toBe("said");
});

test("the block that is being written is not read out; those before it are", () => {
  const root = rendered("First.\n\nSecond, and", { isOpen: true });
  expect(root.querySelector("[aria-live=off]")?.textContent).toBe("Second, and");
  expect(rendered("First.\n\nSecond, and.").querySelector("[aria-live=off]")).toBeNull();
});

test.each(["> ".repeat(5_000), "- ".repeat(5_000), `${"[".repeat(50_000)}x`])(
  "text that lost itself in marks is shown as it is",
  (text) => {
    expect(rendered(`${text}end`).textContent).toContain("end");
  },
);

test.each([
  ["at [84 %](ref", "at 84 %"],
  ["at [84 %](", "at 84 %"],
  ["at [84 %]", "at 84 %"],
  ["at [84", "at 84"],
  ["at [84 %](ref:3) and", "at [84 %](ref:3) and"],
])("%j, still being written, is shown as %j", (text, shown) => {
  expect(withoutOpenLink(text)).toBe(shown);
});
