import { Confirm } from "@/components/ui/confirm";
import { formatCount } from "@/lib/format";
import { type ServiceRequest, VERBS } from "./service-actions";

interface ConfirmServiceActionProps {
  request: ServiceRequest;
  isPending: boolean;
  onConfirm: () => void;
  onCancel: () => void;
}

/** Names the service, and what happens to its requests. */
export default function ConfirmServiceAction({
  request,
  isPending,
  onConfirm,
  onCancel,
}: ConfirmServiceActionProps) {
  const { service, verb } = request;
  const { label, isDangerous } = VERBS[verb];
  return (
    <Confirm
      title={`${label} ${service.id}?`}
      verb={label}
      isDangerous={isDangerous}
      isPending={isPending}
      onConfirm={onConfirm}
      onCancel={onCancel}
    >
      <p>{consequence(request)}</p>
    </Confirm>
  );
}

function consequence({ service, rollout, verb }: ServiceRequest): string {
  const coming = `Revision ${formatCount(rollout?.to_revision ?? service.revision)}`;
  const before = rollout === null ? 0 : rollout.from_revision;
  switch (verb) {
    case "approve":
      return `${coming} gets its next share of the requests.`;
    case "promote":
      return `${coming} gets all requests at once, and is not judged any more.`;
    case "abort":
      return before === 0
        ? "This is its first deployment: the new replicas are taken down, and nothing is left of it."
        : `Every request goes back to revision ${formatCount(before)}, and the new replicas are taken down.`;
    case "rollback":
      return service.kept === null
        ? `The last revision that was stable before ${formatCount(service.stable_revision)} is brought up again, and takes its place without losing requests.`
        : `Revision ${formatCount(service.kept.revision)} still runs: every request goes back to it at once.`;
    case "restart":
      return "Its replicas are replaced by new ones of the same make. The old ones serve until those do.";
    case "pause":
    case "resume":
      return "";
  }
}
