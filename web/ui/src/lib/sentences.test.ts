import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { setLanguage } from "./i18n";
import { loadSentences, piecesOf, serverWords } from "./sentences";

beforeEach(() => {
  vi.stubGlobal("document", { documentElement: { lang: "en" } });
});

afterEach(() => {
  setLanguage("en");
  vi.unstubAllGlobals();
});

test("in English the server's sentences are shown as they are", () => {
  expect(serverWords("no heartbeat for 3 s")).toBe("no heartbeat for 3 s");
  expect(piecesOf("anything at all")).toEqual([{ text: "anything at all", isEnglish: false }]);
});

test("in Italian they are Italian once the catalogue has come", async () => {
  setLanguage("it");
  await loadSentences();
  expect(serverWords("no heartbeat for 3 s")).toBe("nessun heartbeat da 3 s");
  expect(piecesOf("nobody ever wrote this")).toEqual([{ text: "nobody ever wrote this", isEnglish: true }]);
  setLanguage("en");
  expect(serverWords("no heartbeat for 3 s")).toBe("no heartbeat for 3 s");
});
