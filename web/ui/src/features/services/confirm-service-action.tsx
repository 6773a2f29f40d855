import { Confirm } from "@/components/ui/confirm";
import { textsOf, useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { pageMessages } from "./page-messages";
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
  const t = useMessages(messages);
  const said = useMessages(pageMessages);
  return (
    <Confirm
      title={said.askTitle(t.verbs[verb], service.id)}
      verb={t.verbs[verb]}
      isDangerous={VERBS[verb].isDangerous}
      isPending={isPending}
      onConfirm={onConfirm}
      onCancel={onCancel}
    >
      <p>{consequence(request)}</p>
    </Confirm>
  );
}

function consequence({ service, rollout, verb, to }: ServiceRequest): string {
  const t = textsOf(pageMessages);
  const words = t.consequences;
  const coming = t.revisionCap(rollout?.to_revision ?? service.revision);
  const before = rollout === null ? 0 : rollout.from_revision;
  switch (verb) {
    case "approve":
      return words.approve(coming);
    case "promote":
      return words.promote(coming);
    case "abort":
      return before === 0 ? words.abortFirst : words.abort(before);
    case "rollback":
      if (service.kept !== null && (to === undefined || to === service.kept.revision))
        return words.rollbackKept(service.kept.revision);
      return to === undefined ? words.rollback(service.stable_revision) : words.rollbackTo(to);
    case "restart":
      return words.restart;
    case "retry":
      return words.retry(rollout?.to_revision ?? service.revision);
    case "pause":
    case "resume":
      return "";
  }
}
