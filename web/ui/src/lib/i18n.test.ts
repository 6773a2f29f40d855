import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { defineMessages, pluralOf, setLanguage, textsOf, translated } from "./i18n";

const messages = defineMessages({
  en: { title: "Hosts", lost: (name: string) => `${name} is lost` },
  it: { title: "Host", lost: (name) => `${name} non risponde` },
});

beforeEach(() => {
  vi.stubGlobal("document", { documentElement: { lang: "en" } });
});

afterEach(() => {
  setLanguage("en");
  vi.unstubAllGlobals();
});

test("texts are those of the language that was chosen, and the page says which it is", () => {
  expect(textsOf(messages).lost("h1")).toBe("h1 is lost");
  setLanguage("it");
  expect(textsOf(messages).lost("h1")).toBe("h1 non risponde");
  expect(document.documentElement.lang).toBe("it");
});

test("one is singular, and nothing else is", () => {
  for (const language of ["en", "it"] as const) {
    setLanguage(language);
    expect([0, 1, 2, 1.5].map((count) => pluralOf(count, "host", "hosts"))).toEqual([
      "hosts",
      "host",
      "hosts",
      "hosts",
    ]);
  }
});

test("a sentence of the server is English where it has no translation", () => {
  setLanguage("it");
  expect(translated("The disk is full", { it: "Il disco è pieno" })).toBe("Il disco è pieno");
  expect(translated("The disk is full", {})).toBe("The disk is full");
});
