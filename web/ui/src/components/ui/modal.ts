import { useLayoutEffect } from "react";

let open = 0;

/**
 * While the caller is mounted, nothing of the page beneath can be reached: windows stand outside of its root.
 * Afterwards the focus is where it was, or at the content when that is gone.
 */
export function useInertPage(): void {
  useLayoutEffect(() => {
    const page = document.getElementById("root");
    const before = document.activeElement;
    open += 1;
    if (page !== null) page.inert = true;
    return () => {
      open -= 1;
      if (page !== null && open === 0) page.inert = false;
      setTimeout(() => {
        const target = before?.isConnected ? before : document.getElementById("content");
        if (target instanceof HTMLElement) target.focus({ preventScroll: true });
      });
    };
  }, []);
}

/** The focus is given back by `useInertPage`: Radix would look for it on a page that cannot be reached. */
export function leaveFocus(event: Event): void {
  event.preventDefault();
}
