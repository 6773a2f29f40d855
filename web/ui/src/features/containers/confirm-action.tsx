import { Confirm } from "@/components/ui/confirm";
import { type ContainerRequest, VERBS } from "./container-actions";
import { isRunning } from "./container-state";

interface ConfirmActionProps {
  request: ContainerRequest;
  isPending: boolean;
  onConfirm: () => void;
  onCancel: () => void;
}

/** Names the container, the host and what happens to those who use it. */
export default function ConfirmAction({ request, isPending, onConfirm, onCancel }: ConfirmActionProps) {
  const { container, verb } = request;
  return (
    <Confirm
      title={`${VERBS[verb].label} ${container.name}?`}
      verb={VERBS[verb].label}
      isDangerous={verb === "remove"}
      isPending={isPending}
      onConfirm={onConfirm}
      onCancel={onCancel}
    >
      <p>
        It runs on <strong className="font-medium text-text">{container.node_name}</strong>
        {container.project !== "" && (
          <>
            {" "}
            and belongs to <strong className="font-medium text-text">{container.project}</strong>
          </>
        )}
        . {consequence(request)}
      </p>
      {container.is_managed && (
        <p>
          Control Tower keeps this service at its number of replicas: it will bring a replica back by itself.
        </p>
      )}
    </Confirm>
  );
}

function consequence({ container, verb }: ContainerRequest): string {
  switch (verb) {
    case "restart":
      return "Requests in flight are cut off, and it answers again when it has started.";
    case "stop":
      return "It answers nothing until it is started again.";
    case "remove":
      return isRunning(container)
        ? "It is running and will be killed. What it wrote outside of volumes is lost."
        : "What it wrote outside of volumes is lost.";
    case "start":
    case "unpause":
      return "";
  }
}
