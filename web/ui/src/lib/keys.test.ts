import { expect, test } from "vitest";
import { KeyMatcher, SEQUENCE_MAX_MS, type Shortcut } from "./keys";

function shortcut(keys: string, label = keys): Shortcut {
  return { keys, label, group: "", run: () => {} };
}

const SHORTCUTS = [shortcut("g c"), shortcut("c"), shortcut("?"), shortcut("mod+k")];

function pressed(key: string, more: Partial<Parameters<KeyMatcher["press"]>[0]> = {}) {
  return { key, isMod: false, isTyping: false, atMs: 0, ...more };
}

test("two keys one after the other are one shortcut, and the second alone is another", () => {
  const keys = new KeyMatcher();
  expect(keys.press(pressed("c"), SHORTCUTS, true)?.keys).toBe("c");
  expect(keys.press(pressed("g"), SHORTCUTS, true)).toBeNull();
  expect(keys.press(pressed("c"), SHORTCUTS, true)?.keys).toBe("g c");
  expect(keys.press(pressed("c"), SHORTCUTS, true)?.keys).toBe("c");
});

test("the first key is forgotten after a while", () => {
  const keys = new KeyMatcher();
  keys.press(pressed("g"), SHORTCUTS, true);
  expect(keys.press(pressed("c", { atMs: SEQUENCE_MAX_MS + 1 }), SHORTCUTS, true)?.keys).toBe("c");
});

test("what is typed into a field is text, but Ctrl and Cmd still count", () => {
  const keys = new KeyMatcher();
  expect(keys.press(pressed("?", { isTyping: true }), SHORTCUTS, true)).toBeNull();
  expect(keys.press(pressed("K", { isTyping: true, isMod: true }), SHORTCUTS, true)?.keys).toBe("mod+k");
});

test("keys alone do nothing once they are switched off", () => {
  const keys = new KeyMatcher();
  expect(keys.press(pressed("?"), SHORTCUTS, false)).toBeNull();
  expect(keys.press(pressed("k", { isMod: true }), SHORTCUTS, false)?.keys).toBe("mod+k");
});

test("of two for the same key the newer counts: a page's own before those of all pages", () => {
  const keys = new KeyMatcher();
  expect(keys.press(pressed("?"), [...SHORTCUTS, shortcut("?", "own")], true)?.label).toBe("own");
});
