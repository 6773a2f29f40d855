/** Keyboard shortcuts: which there are now, and what a key that was pressed means. */

export interface Shortcut {
  /** `"g c"` one after the other, `"/"` alone, `"mod+k"` with Ctrl or Cmd. */
  keys: string;
  /** What it does, for the sheet of shortcuts. */
  label: string;
  /** Where on that sheet. */
  group: string;
  run: () => void;
}

/** How long the first of two keys is remembered. */
export const SEQUENCE_MAX_MS = 1_200;

export interface Pressed {
  key: string;
  isMod: boolean;
  /** Whether somebody is typing: then only keys with Ctrl or Cmd are shortcuts. */
  isTyping: boolean;
  atMs: number;
}

/** Finds the shortcut of keys that come one after the other. */
export class KeyMatcher {
  private first = "";
  private firstAtMs = Number.NEGATIVE_INFINITY;

  /** What is meant by this key; null for nothing. `shortcuts` are looked through from the end: the newest win. */
  press(pressed: Pressed, shortcuts: readonly Shortcut[], areSingleKeysOn: boolean): Shortcut | null {
    const before = pressed.atMs - this.firstAtMs <= SEQUENCE_MAX_MS ? this.first : "";
    this.first = "";
    const find = (keys: string) => shortcuts.findLast((each) => each.keys === keys) ?? null;
    if (pressed.isMod) return find(`mod+${pressed.key.toLowerCase()}`);
    if (pressed.isTyping || !areSingleKeysOn) return null;
    const found = (before !== "" && find(`${before} ${pressed.key}`)) || find(pressed.key);
    if (found !== null) return found;
    if (shortcuts.some((each) => each.keys.startsWith(`${pressed.key} `))) {
      this.first = pressed.key;
      this.firstAtMs = pressed.atMs;
    }
    return null;
  }
}

const KEY = "tower.single-keys";
const active: (readonly Shortcut[])[] = [];
let areOn = storedAreOn();

function storedAreOn(): boolean {
  try {
    return localStorage.getItem(KEY) !== "off";
  } catch {
    // Storage is blocked, or this is no browser: as usual.
    return true;
  }
}

/** Whether keys without Ctrl or Cmd are shortcuts (WCAG 2.1.4: they can be switched off). */
export function areSingleKeysOn(): boolean {
  return areOn;
}

export function setSingleKeys(on: boolean): void {
  areOn = on;
  try {
    if (on) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, "off");
  } catch {
    // Storage is blocked: the choice holds for this page.
  }
}

/** Every shortcut that works now, the newest last. */
export function activeShortcuts(): Shortcut[] {
  return active.flat();
}

/** Have these work until what is returned is called. */
export function addShortcuts(shortcuts: readonly Shortcut[]): () => void {
  active.push(shortcuts);
  return () => {
    const index = active.indexOf(shortcuts);
    if (index >= 0) active.splice(index, 1);
  };
}

/** Whether keys that are pressed there are text. */
function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !/^(checkbox|radio|button|range|submit)$/.test(target.type);
  return target.isContentEditable || /^(TEXTAREA|SELECT)$/.test(target.tagName);
}

/**
 * Take what is typed into no field at all as meant for the text that `edit` changes, and keep it from being
 * anything else. Ends when what is returned is called.
 */
export function typeAhead(edit: (change: (text: string) => string) => void): () => void {
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey || isTyping(event.target)) return;
    if (event.key === "Backspace") edit((text) => text.slice(0, -1));
    else if (event.key.length === 1) edit((text) => text + event.key);
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  window.addEventListener("keydown", onKeyDown, { capture: true });
  return () => window.removeEventListener("keydown", onKeyDown, { capture: true });
}

/** Listen to the keys of the page. While a window is open over it, only keys with Ctrl or Cmd count. */
export function listenToKeys(): () => void {
  const matcher = new KeyMatcher();
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing || event.altKey) return;
    const isCovered = document.getElementById("root")?.inert === true;
    const found = matcher.press(
      {
        key: event.key,
        isMod: event.ctrlKey || event.metaKey,
        isTyping: isCovered || isTyping(event.target),
        atMs: event.timeStamp,
      },
      activeShortcuts(),
      areOn,
    );
    if (found === null) return;
    event.preventDefault();
    found.run();
  };
  document.addEventListener("keydown", onKeyDown);
  return () => document.removeEventListener("keydown", onKeyDown);
}
