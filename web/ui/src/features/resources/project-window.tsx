import type { ProjectActed, ProjectOutcome, ProjectView } from "@/api/openapi";
import { Sentence } from "@/components/sentence";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import type { ProjectVerb } from "./resource-queries";

interface ProjectWindowProps {
  project: ProjectView;
  verb: ProjectVerb;
  isPending: boolean;
  done: ProjectActed | null;
  onConfirm: () => void;
  onClose: () => void;
}

const TONES: Record<ProjectOutcome, "ok" | "neutral" | "bad"> = {
  done: "ok",
  skipped: "neutral",
  failed: "bad",
};

/** One question for a whole project, naming hosts and order; then what became of each container. */
export default function ProjectWindow(props: ProjectWindowProps) {
  const { project, verb, isPending, done, onConfirm, onClose } = props;
  const t = useMessages(messages);
  if (done === null) {
    const hosts = project.hosts.map(({ node_name }) => node_name).join(", ");
    return (
      <Confirm
        title={t.askProject[verb](project.name)}
        verb={t[verb]}
        isDangerous={verb === "stop"}
        isPending={isPending}
        onConfirm={onConfirm}
        onCancel={onClose}
      >
        <p>{t.projectNote(project.total - project.managed, hosts)}</p>
        <p>{t.projectOrder[verb]}</p>
        {project.managed > 0 && <p>{t.projectManaged(project.managed)}</p>}
      </Confirm>
    );
  }
  return (
    <Dialog title={t.outcome(project.name)} isWide onClose={onClose}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached with the keyboard */}
      <div tabIndex={0} role="status" className="max-h-[50vh] overflow-y-auto rounded-md border border-line">
        <table className="w-full table-fixed text-sm">
          <colgroup>
            <col />
            <col className="w-20" />
            <col className="w-[45%]" />
          </colgroup>
          <thead className="sr-only">
            <tr>
              <th scope="col">{t.container}</th>
              <th scope="col">{t.host}</th>
              <th scope="col">{t.state}</th>
            </tr>
          </thead>
          <tbody>
            {done.items.map((step) => (
              <tr key={`${step.node_id} ${step.id}`} className="border-t border-line first:border-t-0">
                <th scope="row" className="truncate px-3 py-1.5 text-left font-medium">
                  {step.name}
                </th>
                <td className="w-20 px-3 py-1.5 text-muted">{step.node_name}</td>
                <td className="w-[45%] px-3 py-1.5">
                  <Status tone={TONES[step.outcome]}>{t.outcomes[step.outcome]}</Status>
                  {step.reason !== "" && (
                    <p className="text-xs break-words text-muted">
                      <Sentence text={step.reason} />
                    </p>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="mt-5 flex justify-end">
        <Button tone="primary" onClick={onClose}>
          {t.close}
        </Button>
      </div>
    </Dialog>
  );
}
