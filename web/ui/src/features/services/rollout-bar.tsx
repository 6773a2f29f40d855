import type { ReplicaStepView, RolloutView } from "@/api/openapi";
import { Meter } from "@/components/meter";
import type { Tone } from "@/components/ui/badge";
import { cn } from "@/lib/cn";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

/** More pieces than this would be hairlines. */
const PIECES_MAX = 40;

interface RolloutBarProps {
  rollout: RolloutView;
  tone: Tone;
  label: string;
}

/** How far a rollout is: a piece for each replica, filled when it is done, half when it is under way. */
export function RolloutBar({ rollout, tone, label }: RolloutBarProps) {
  const t = useMessages(messages);
  const { replicas } = rollout;
  const done = replicas.filter((step) => step.phase === "done").length;
  if (replicas.length === 0 || replicas.length > PIECES_MAX)
    return <Meter share={replicas.length === 0 ? 0 : done / replicas.length} tone={tone} label={label} />;
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={replicas.length}
      aria-valuenow={done}
      aria-valuetext={t.replicasDone(done, replicas.length)}
      className="flex gap-0.5"
    >
      {replicas.map((step) => (
        <Piece key={step.ordinal} step={step} tone={tone} />
      ))}
    </div>
  );
}

const FILL = {
  ok: "bg-ok-mark",
  warn: "bg-warn-mark",
  bad: "bg-bad-mark",
  accent: "bg-accent",
  neutral: "bg-line-strong",
} as const satisfies Record<Tone, string>;

function Piece({ step, tone }: { step: ReplicaStepView; tone: Tone }) {
  const t = useMessages(messages);
  const isUnderWay = step.phase !== "done" && step.phase !== "waiting";
  return (
    <span
      title={t.pieceOf(step.ordinal, t.stepPhases[step.phase], step.node_name)}
      className="h-1.5 min-w-0 flex-1 overflow-hidden rounded-[2px] bg-line"
    >
      {step.phase !== "waiting" && (
        <span
          className={cn(
            "block h-full rounded-[2px]",
            FILL[tone],
            isUnderWay ? "animate-breathe w-1/2" : "w-full",
          )}
        />
      )}
    </span>
  );
}
