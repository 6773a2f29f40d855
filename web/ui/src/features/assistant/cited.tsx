import { createContext, type ReactNode, useContext } from "react";
import type { Reference } from "@/api/openapi";
import { ownPath } from "./paths";

interface Citing {
  references: ReadonlyMap<number, Reference>;
  /** Open a page of the dashboard. */
  onFollow: (path: string) => void;
}

/** What the text of an answer may link to. */
export const CitingContext = createContext<Citing>({ references: new Map(), onFollow: () => {} });

/** Text that links to the page it was read from; as plain text where there is no such page. */
export function Cited({ reference, children }: { reference: Reference | undefined; children: ReactNode }) {
  const { onFollow } = useContext(CitingContext);
  const path = reference === undefined ? null : ownPath(reference.path, window.location.origin);
  if (path === null) return children;
  return (
    <a
      href={path}
      title={reference?.label}
      className="font-medium text-accent underline decoration-line-strong underline-offset-2 hover:decoration-current"
      onClick={(event) => {
        if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        onFollow(path);
      }}
    >
      {children}
    </a>
  );
}

/** The reference that `[84 %](ref:3)` means. */
export function useReference(href: string): Reference | undefined {
  const { references } = useContext(CitingContext);
  const number = /^ref:(\d+)$/.exec(href)?.[1];
  return number === undefined ? undefined : references.get(Number(number));
}
