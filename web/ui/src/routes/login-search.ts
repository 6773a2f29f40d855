import { textIn } from "@/components/page-search";
/** What the address of the login page says. */
export interface LoginSearch {
  /** Where to go afterwards. */
  next?: string | undefined;
  /** Why an identity provider's login came to nothing: one of a few words. */
  refused?: string | undefined;
  provider?: string | undefined;
  /** An identity provider's login succeeded. */
  signed_in?: string | undefined;
}

export function parseLoginSearch(raw: Record<string, unknown>): LoginSearch {
  return {
    // Only addresses of this site: anything else would let a link send people elsewhere after their login.
    next: typeof raw.next === "string" && /^\/(?![/\\])/.test(raw.next) ? raw.next : undefined,
    refused: textIn(raw.refused),
    provider: textIn(raw.provider),
    signed_in: textIn(raw.signed_in),
  };
}
