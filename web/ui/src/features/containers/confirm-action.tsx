import { Confirm } from "@/components/ui/confirm";
import { useMessages } from "@/lib/i18n";
import { messages } from "./action-messages";
import type { ContainerRequest } from "./container-actions";
import { isRunning } from "./container-state";

interface ConfirmActionProps {
  request: ContainerRequest;
  isPending: boolean;
  onConfirm: () => void;
  onCancel: () => void;
}

/** Names the container, the host and what happens to those who use it. */
export default function ConfirmAction({ request, isPending, onConfirm, onCancel }: ConfirmActionProps) {
  const t = useMessages(messages);
  const { container, verb } = request;
  return (
    <Confirm
      title={t.ask(t[verb], container.name)}
      verb={t[verb]}
      isDangerous={verb === "remove" || verb === "kill"}
      isPending={isPending}
      onConfirm={onConfirm}
      onCancel={onCancel}
    >
      <p>
        {container.project === ""
          ? t.where(container.node_name)
          : t.whereAndWhat(container.node_name, container.project)}{" "}
        {consequence(request, t)}
      </p>
      {container.is_managed && <p>{t.managedNote}</p>}
    </Confirm>
  );
}

function consequence({ container, verb }: ContainerRequest, t: (typeof messages)["en"]): string {
  switch (verb) {
    case "restart":
      return t.restartNote;
    case "stop":
      return t.stopNote;
    case "kill":
      return t.killNote;
    case "remove":
      return isRunning(container) ? t.removeRunningNote : t.removeNote;
    case "start":
    case "pause":
    case "unpause":
      return "";
  }
}
