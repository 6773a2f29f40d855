import type uPlot from "uplot";

/** Fingers that came nearer or went apart by less than this meant nothing. */
const PINCH_MIN = 1.15;

/**
 * Fingers on a chart: one moves the cursor, two zoom. Scrolling up and down stays the page's.
 *
 * `onPinch` is told how much longer the range is to be, and around which moment in seconds.
 */
export function followTouch(
  self: uPlot,
  onPinch: (factor: number, aroundSeconds: number) => void,
): () => void {
  const { over } = self;
  const fingers = new Map<number, number>();
  let first = 0;
  let now = 0;
  const apart = () => {
    const [one = 0, other = 0] = fingers.values();
    return Math.abs(one - other);
  };
  const down = (event: PointerEvent) => {
    if (event.pointerType === "mouse") return;
    fingers.set(event.pointerId, event.clientX);
    if (fingers.size === 2) first = now = apart();
  };
  const move = (event: PointerEvent) => {
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, event.clientX);
    if (fingers.size === 2) now = apart();
    else if (fingers.size === 1) {
      const left = event.clientX - over.getBoundingClientRect().left;
      self.setCursor({ left: Math.min(over.clientWidth, Math.max(0, left)), top: 1 });
    }
  };
  const up = (event: PointerEvent) => {
    if (fingers.size === 2 && fingers.has(event.pointerId) && first > 0 && now > 0) {
      const factor = first / now;
      const [one = 0, other = 0] = fingers.values();
      const middle = (one + other) / 2 - over.getBoundingClientRect().left;
      if (factor > PINCH_MIN || factor < 1 / PINCH_MIN) onPinch(factor, self.posToVal(middle, "x"));
    }
    fingers.delete(event.pointerId);
  };
  over.style.touchAction = "pan-y";
  over.addEventListener("pointerdown", down);
  over.addEventListener("pointermove", move);
  over.addEventListener("pointerup", up);
  over.addEventListener("pointercancel", up);
  return () => {
    over.removeEventListener("pointerdown", down);
    over.removeEventListener("pointermove", move);
    over.removeEventListener("pointerup", up);
    over.removeEventListener("pointercancel", up);
  };
}
