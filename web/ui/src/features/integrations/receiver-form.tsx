import { type ReactNode, useState } from "react";
import { FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input, Select } from "@/components/ui/field";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

interface FormWindowProps {
  title: string;
  note?: string;
  error: Error | null;
  isPending: boolean;
  onSubmit: () => void;
  onClose: () => void;
  children: ReactNode;
}

/** The window of a form: its fields, what the server said against them, and the button. */
export function FormWindow({ title, note, error, isPending, onSubmit, onClose, children }: FormWindowProps) {
  const t = useMessages(messages);
  return (
    <Dialog title={title} description={note} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          onSubmit();
        }}
      >
        {children}
        <FormError error={error} />
        <div className="flex justify-end">
          <Button tone="primary" type="submit" disabled={isPending}>
            {t.save}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

interface TextFieldProps {
  label: string;
  hint?: string;
  value: string;
  type?: "text" | "url" | "password";
  isRequired?: boolean;
  isDisabled?: boolean;
  onChange: (value: string) => void;
}

export function TextField({
  label,
  hint,
  value,
  type = "text",
  isRequired = false,
  isDisabled = false,
  onChange,
}: TextFieldProps) {
  return (
    <Field label={label} {...(hint === undefined ? {} : { hint })}>
      {(control) => (
        <Input
          {...control}
          type={type}
          value={value}
          required={isRequired}
          disabled={isDisabled}
          autoComplete={type === "password" ? "new-password" : "off"}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

export function ChoiceField<Value extends string>({
  label,
  value,
  choices,
  words,
  onChange,
}: {
  label: string;
  value: Value;
  choices: readonly Value[];
  words: (choice: Value) => string;
  onChange: (value: Value) => void;
}) {
  return (
    <Field label={label}>
      {(control) => (
        <Select {...control} value={value} onChange={(event) => onChange(event.currentTarget.value as Value)}>
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {words(choice)}
            </option>
          ))}
        </Select>
      )}
    </Field>
  );
}

/** The fields of a draft, and how to change some. */
export function useDraft<Draft extends object>(first: Draft): [Draft, (next: Partial<Draft>) => void] {
  const [draft, setDraft] = useState(first);
  return [draft, (next) => setDraft((before) => ({ ...before, ...next }))];
}
