import { useEffect, useMemo, useRef, useState } from "react";
import type { ContainerView } from "@/api/openapi";
import { containerKey } from "@/api/queries";
import { Meter } from "@/components/meter";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { useMessages } from "@/lib/i18n";
import { messages } from "./action-messages";
import { type Outcome, type OutcomeState, runBulk, touchedBy } from "./bulk";
import { actOn, undoOf, useRefresh, type Verb } from "./container-actions";
import { isRunning } from "./container-state";
import { leftOutWords } from "./left-out";

const NAMED_MAX = 12;
const SHOWN_MAX = 300;

const TONES: Record<OutcomeState, "ok" | "warn" | "bad" | "accent" | "neutral"> = {
  waiting: "neutral",
  running: "accent",
  done: "ok",
  failed: "bad",
  left: "warn",
};

interface BulkWindowProps {
  verb: Verb;
  /** What it will be done to. */
  containers: readonly ContainerView[];
  /** How many were chosen that it makes no sense for. */
  unfit: number;
  /** What was chosen, and this person may not do it to. */
  denied: readonly ContainerView[];
  onClose: () => void;
}

/** One question for many containers, naming what is touched; then what became of each, and a way back. */
export default function BulkWindow({ verb: asked, containers, unfit, denied, onClose }: BulkWindowProps) {
  const t = useMessages(messages);
  const refresh = useRefresh();
  const [task, setTask] = useState<{ verb: Verb; containers: readonly ContainerView[] }>({
    verb: asked,
    containers,
  });
  const [outcomes, setOutcomes] = useState<readonly Outcome[] | null>(null);
  const [isUnderWay, setUnderWay] = useState(false);
  const stopping = useRef(new AbortController());
  // Closing the window begins nothing more; what is under way ends by itself.
  useEffect(() => () => stopping.current.abort(), []);
  const run = async (verb: Verb, on: readonly ContainerView[]) => {
    stopping.current = new AbortController();
    setTask({ verb, containers: on });
    setUnderWay(true);
    setOutcomes([]);
    try {
      await runBulk(on, (container) => actOn({ container, verb }), setOutcomes, stopping.current.signal);
    } finally {
      setUnderWay(false);
      void refresh();
    }
  };
  if (outcomes === null) {
    return (
      <Dialog title={t.askMany(t[asked], containers.length)} onClose={onClose}>
        <Question containers={containers} unfit={unfit} denied={denied} verb={asked} />
        <div className="mt-5 flex justify-end gap-2">
          <Button onClick={onClose}>{t.cancel}</Button>
          <Button
            tone={asked === "remove" || asked === "kill" ? "danger" : "primary"}
            onClick={() => void run(asked, containers)}
          >
            {t[asked]}
          </Button>
        </div>
      </Dialog>
    );
  }
  const done = outcomes.filter(({ state }) => state === "done");
  const failed = outcomes.filter(({ state }) => state === "failed").length;
  const back = undoable(task.verb, done);
  return (
    <Dialog title={t.outcomes(t[task.verb])} isWide onClose={onClose}>
      <p role="status" className="tabular text-sm">
        {t.progress(done.length, task.containers.length)}
        {failed > 0 && <span className="text-bad"> · {t.failedCount(failed)}</span>}
      </p>
      <Meter
        share={task.containers.length === 0 ? 1 : (done.length + failed) / task.containers.length}
        tone={failed > 0 ? "bad" : "accent"}
        label={t.progress(done.length, task.containers.length)}
        className="mt-2"
      />
      <Outcomes outcomes={outcomes} />
      <div className="mt-5 flex justify-end gap-2">
        {isUnderWay ? (
          <Button onClick={() => stopping.current.abort()}>{t.stopHere}</Button>
        ) : (
          back !== null && <Button onClick={() => void run(back.verb, back.containers)}>{t.undo}</Button>
        )}
        <Button tone="primary" onClick={onClose}>
          {t.close}
        </Button>
      </div>
    </Dialog>
  );
}

/** What takes back what was done; null when nothing does. */
function undoable(
  verb: Verb,
  done: readonly Outcome[],
): { verb: Verb; containers: readonly ContainerView[] } | null {
  const containers = done.map(({ container }) => container).filter((each) => undoOf(verb, each) !== null);
  const first = containers[0];
  const back = first === undefined ? null : undoOf(verb, first);
  return back === null ? null : { verb: back, containers };
}

function Question({ containers, unfit, denied, verb }: Omit<BulkWindowProps, "onClose">) {
  const t = useMessages(messages);
  const touched = useMemo(() => touchedBy(containers), [containers]);
  const one: Partial<Record<Verb, string>> = {
    restart: t.restartNote,
    stop: t.stopNote,
    kill: t.killNote,
    remove: containers.some(isRunning) ? t.removeRunningNote : t.removeNote,
  };
  const notes: Partial<Record<Verb, string>> = containers.length === 1 ? one : t.many;
  return (
    <div className="flex flex-col gap-3 text-sm">
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-1.5">
        <dt className="text-muted">{t.onHosts}</dt>
        <dd className="tabular">{touched.hosts.map(({ name, count }) => `${name} (${count})`).join(", ")}</dd>
        {touched.services.length > 0 && (
          <>
            <dt className="text-muted">{t.ofServices}</dt>
            <dd className="break-words">{named(touched.services, t.more)}</dd>
          </>
        )}
        {touched.projects.length > 0 && (
          <>
            <dt className="text-muted">{t.ofProjects}</dt>
            <dd className="break-words">{named(touched.projects, t.more)}</dd>
          </>
        )}
      </dl>
      {notes[verb] !== undefined && <p className="text-muted">{notes[verb]}</p>}
      {touched.managed > 0 && (verb === "stop" || verb === "kill" || verb === "remove") && (
        <p className="text-warn">{t.managedMany(touched.managed)}</p>
      )}
      {unfit + denied.length > 0 && <p className="text-muted">{leftOutWords(t, unfit, denied)}</p>}
    </div>
  );
}

function named(names: readonly string[], more: (count: number) => string): string {
  const shown = names.slice(0, NAMED_MAX).join(", ");
  return names.length > NAMED_MAX ? `${shown}, ${more(names.length - NAMED_MAX)}` : shown;
}

/** What failed first: the rest is as it was asked for. */
function Outcomes({ outcomes }: { outcomes: readonly Outcome[] }) {
  const t = useMessages(messages);
  const words: Record<OutcomeState, string> = {
    waiting: t.waiting,
    running: t.running,
    done: t.doneState,
    failed: t.failed,
    left: t.left,
  };
  const sorted = [...outcomes].sort((a, b) => Number(b.state === "failed") - Number(a.state === "failed"));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached with the keyboard
    <div tabIndex={0} className="mt-3 max-h-[50vh] overflow-y-auto rounded-md border border-line">
      <table className="w-full text-sm">
        <thead className="sr-only">
          <tr>
            <th scope="col">{t.name}</th>
            <th scope="col">{t.host}</th>
            <th scope="col">{t.outcome}</th>
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, SHOWN_MAX).map(({ container, state, note }) => (
            <tr key={containerKey(container)} className="border-t border-line first:border-t-0">
              <th scope="row" className="max-w-0 truncate px-3 py-1.5 text-left font-medium">
                {container.name}
              </th>
              <td className="w-20 px-3 py-1.5 text-muted">{container.node_name}</td>
              <td className="w-[45%] px-3 py-1.5">
                <Status tone={TONES[state]}>{words[state]}</Status>
                {note !== "" && <p className="text-xs break-words text-muted">{note}</p>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {sorted.length > SHOWN_MAX && (
        <p className="border-t border-line px-3 py-1.5 text-sm text-muted">
          {t.more(sorted.length - SHOWN_MAX)}
        </p>
      )}
    </div>
  );
}
