import { useEffect, useRef } from "react";

interface ChoiceBoxProps {
  label: string;
  share: "all" | "some" | "none";
  /** `isRange`: everything from the last choice up to this one. */
  onToggle: (isRange: boolean) => void;
}

/** A box that chooses one row or many; half chosen is a state of its own. */
export function ChoiceBox({ label, share, onToggle }: ChoiceBoxProps) {
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (box.current !== null) box.current.indeterminate = share === "some";
  }, [share]);
  return (
    <label className="grid h-full min-h-8 w-8 place-items-center pointer-coarse:w-10">
      <input
        ref={box}
        type="checkbox"
        aria-label={label}
        checked={share === "all"}
        className="size-3.5 accent-accent"
        onClick={(event) => {
          // The box shows what is chosen; the browser's own change would be a second opinion.
          event.preventDefault();
          const { shiftKey } = event;
          setTimeout(() => onToggle(shiftKey));
        }}
      />
    </label>
  );
}
