import { Field } from "@/components/ui/field";
import { FocusedInput } from "@/components/ui/focused-input";
import { cn } from "@/lib/cn";

interface CodeFieldProps {
  label: string;
  error?: string | undefined;
  hint?: string;
  isRecovery?: boolean;
}

/** For a code of an authenticator, or a recovery code; its name is `code`. */
export function CodeField({ label, error, hint, isRecovery = false }: CodeFieldProps) {
  return (
    <Field label={label} error={error} {...(hint === undefined ? {} : { hint })}>
      {(control) => (
        <FocusedInput
          {...control}
          name="code"
          required
          autoComplete="one-time-code"
          inputMode={isRecovery ? "text" : "numeric"}
          autoCapitalize="none"
          spellCheck={false}
          maxLength={isRecovery ? 32 : 8}
          placeholder={isRecovery ? "xxxx-xxxx-xxxx-xxxx" : "123456"}
          className={cn("font-mono", !isRecovery && "tracking-widest")}
        />
      )}
    </Field>
  );
}
