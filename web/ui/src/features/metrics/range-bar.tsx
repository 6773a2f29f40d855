import { ChevronLeft, ChevronRight, Undo2, ZoomIn, ZoomOut } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { Segmented } from "@/components/ui/segmented";
import { serverNow } from "@/lib/clock";
import { useMessages } from "@/lib/i18n";
import { PRESETS, type Preset, panned, SPAN_MIN_MS, type TimeRange, zoomed } from "@/lib/time-range";
import { messages } from "./messages";

interface RangeBarProps {
  range: TimeRange;
  /** Null: a range of its own. */
  preset: Preset | null;
  isLive: boolean;
  onPreset: (preset: Preset) => void;
  onRange: (range: TimeRange) => void;
  onBack: () => void;
}

const PAN = 0.5;

/** Which time is shown. */
export function RangeBar({ range, preset, isLive, onPreset, onRange, onBack }: RangeBarProps) {
  const t = useMessages(messages);
  const [isCustom, setCustom] = useState(false);
  const middle = (range.startMs + range.endMs) / 2;
  const steps = [
    { label: t.earlier, icon: ChevronLeft, act: () => onRange(panned(range, -PAN, serverNow())) },
    { label: t.later, icon: ChevronRight, act: () => onRange(panned(range, PAN, serverNow())), off: isLive },
    { label: t.closer, icon: ZoomIn, act: () => onRange(zoomed(range, 0.5, middle, serverNow())) },
    { label: t.wider, icon: ZoomOut, act: () => onRange(zoomed(range, 2, middle, serverNow())) },
    { label: t.back, icon: Undo2, act: onBack, off: isLive },
  ];
  return (
    <>
      <Segmented
        label={t.range}
        value={preset}
        onChange={(chosen) => {
          setCustom(false);
          onPreset(chosen);
        }}
        options={PRESETS.map((value) => ({ value, label: t.ranges[value] }))}
      />
      <Button
        aria-expanded={isCustom}
        aria-pressed={preset === null}
        onClick={() => setCustom(!isCustom)}
        className={preset === null ? "border-accent/50 bg-accent-soft text-accent" : ""}
      >
        {t.custom}
      </Button>
      <div className="flex items-center">
        {steps.map(({ label, icon: Icon, act, off = false }) => (
          <Button
            key={label}
            tone="ghost"
            isIcon
            aria-label={label}
            title={label}
            disabled={off}
            onClick={act}
          >
            <Icon aria-hidden className="size-4" />
          </Button>
        ))}
      </div>
      {isCustom && <CustomRange range={range} onRange={onRange} />}
    </>
  );
}

function CustomRange({ range, onRange }: Pick<RangeBarProps, "range" | "onRange">) {
  const t = useMessages(messages);
  const id = useId();
  const [from, setFrom] = useState(localText(range.startMs));
  const [to, setTo] = useState(localText(range.endMs));
  const startMs = new Date(from).getTime();
  const endMs = Math.min(new Date(to).getTime(), serverNow());
  const isWrong = !(endMs - startMs >= SPAN_MIN_MS);
  const apply = (event: FormEvent) => {
    event.preventDefault();
    if (!isWrong) onRange({ startMs, endMs });
  };
  return (
    <form onSubmit={apply} className="flex basis-full flex-wrap items-center gap-2 text-sm">
      <label htmlFor={`${id}-from`}>{t.from}</label>
      <Input
        id={`${id}-from`}
        type="datetime-local"
        value={from}
        onInput={(event) => setFrom(event.currentTarget.value)}
      />
      <label htmlFor={`${id}-to`}>{t.to}</label>
      <Input
        id={`${id}-to`}
        type="datetime-local"
        value={to}
        onInput={(event) => setTo(event.currentTarget.value)}
      />
      <Button type="submit" tone="primary" disabled={isWrong}>
        {t.apply}
      </Button>
      {isWrong && <p className="text-xs text-bad">{t.wrongRange}</p>}
    </form>
  );
}

/** A moment as a control of the browser writes it, in local time. */
function localText(atMs: number): string {
  const at = new Date(atMs - new Date(atMs).getTimezoneOffset() * 60_000);
  return at.toISOString().slice(0, 16);
}
