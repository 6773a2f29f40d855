import { expect, test } from "vitest";
import { loadDraft, NOTHING, saveDraft } from "./draft";

const storage = () => {
  const kept = new Map<string, string>();
  return {
    kept,
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
};
const draft = { ...NOTHING, compose: "name: shop", project: "shop" };

test("a draft comes back to whoever wrote it, and to nobody else", () => {
  const browser = storage();
  expect(saveDraft(browser, "us-1", draft, 5)).toBe(true);
  expect(loadDraft(browser, "us-1")).toEqual({ draft, savedAtMs: 5 });
  expect(loadDraft(browser, "us-2")).toBeNull();
});

test("an empty file is no draft", () => {
  const browser = storage();
  saveDraft(browser, "us-1", draft, 5);
  expect(saveDraft(browser, "us-1", { ...draft, compose: "" }, 6)).toBe(false);
  expect(browser.kept.size).toBe(0);
});

test.each(["", "null", "7", "{}", '{"draft":{},"savedAtMs":1}', "{"])(
  "what is kept as %s is no draft",
  (text) => {
    const browser = storage();
    browser.setItem("tower.deploy-draft.us-1", text);
    expect(loadDraft(browser, "us-1")).toBeNull();
  },
);

test("a browser that keeps nothing is said to keep nothing", () => {
  const blocked = {
    getItem: () => {
      throw new Error("blocked");
    },
    setItem: () => {
      throw new Error("blocked");
    },
    removeItem: () => undefined,
  };
  expect(saveDraft(blocked, "us-1", draft, 5)).toBe(false);
  expect(loadDraft(blocked, "us-1")).toBeNull();
});
