import { type ComponentProps, useEffect } from "react";
import { Input } from "./field";

/**
 * The first control of a step that takes the place of another. `autoFocus` is for pages as they load: what is put in
 * later has to ask for the focus.
 */
export function FocusedInput({ id, ...rest }: ComponentProps<"input"> & { id: string }) {
  useEffect(() => document.getElementById(id)?.focus(), [id]);
  return <Input {...rest} id={id} />;
}
