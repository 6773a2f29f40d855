import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";

type Raw = Record<string, unknown>;

interface ChangeOptions {
  /** Take the place of the present entry in the browser's history: for what is typed. */
  replace?: boolean;
}

/**
 * What of a page is kept in its address after the `?`, and how to change it. `parse` keeps what the page understands;
 * it must be the same function with every call. `undefined` takes a part out of the address.
 */
export function usePageSearch<Search extends object>(
  parse: (raw: Raw) => Search,
): [Search, (next: Partial<Search>, options?: ChangeOptions) => void] {
  const raw: Raw = useSearch({ strict: false });
  const navigate = useNavigate();
  const search = useMemo(() => parse(raw), [parse, raw]);
  const change = useCallback(
    (next: Partial<Search>, { replace = false }: ChangeOptions = {}) =>
      void navigate({
        to: ".",
        search: (before: Raw) => ({ ...before, ...next }),
        replace,
        resetScroll: false,
      } as Parameters<typeof navigate>[0]),
    [navigate],
  );
  return [search, change];
}

/** Numbers and words such as "true" in an address are read as values; here they are names. */
export function textIn(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : undefined;
}

/** A whole number from `least` on. */
export function wholeIn(value: unknown, least = 1): number | undefined {
  const number = Number(textIn(value) || Number.NaN);
  return Number.isSafeInteger(number) && number >= least ? number : undefined;
}

/** What is either there or left out. */
export function flagIn(value: unknown): true | undefined {
  return value === true ? true : undefined;
}

export function oneIn<Value extends string>(values: readonly Value[], value: unknown): Value | undefined {
  return values.find((each) => each === value);
}
