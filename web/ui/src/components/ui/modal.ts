import { useLayoutEffect } from "react";

let open = 0;

/** The page beneath stands still (styles/app.css), and what its scroll bar took stays free. */
function holdPage(isHeld: boolean): void {
  const root = document.documentElement;
  const scrollBar = window.innerWidth - root.clientWidth;
  root.toggleAttribute("data-held", isHeld);
  root.style.paddingRight = isHeld ? `${scrollBar}px` : "";
}

/**
 * While the caller is mounted, nothing of the page beneath can be reached: windows stand outside of its root.
 * Afterwards the focus is where it was, or at the content when that is gone.
 */
export function useInertPage(): void {
  useLayoutEffect(() => {
    const page = document.getElementById("root");
    const before = document.activeElement;
    open += 1;
    if (open === 1) holdPage(true);
    if (page !== null) page.inert = true;
    return () => {
      open -= 1;
      if (open === 0) holdPage(false);
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
