import type { ContainerView } from "@/api/openapi";
import type { messages } from "./action-messages";

const NAMED_MAX = 5;

type Words = (typeof messages)["en"];

/** Why some of what was chosen is not among what an action is for; "" when all of it is. */
export function leftOutWords(t: Words, unfit: number, denied: readonly ContainerView[]): string {
  const names = denied.slice(0, NAMED_MAX).map(({ name }) => name);
  if (denied.length > NAMED_MAX) names.push(t.more(denied.length - NAMED_MAX));
  return [
    ...(unfit > 0 ? [t.unfit(unfit)] : []),
    ...(denied.length > 0 ? [t.denied(denied.length, names.join(", "))] : []),
  ].join(" ");
}
