import { useQuery } from "@tanstack/react-query";
import { Plus, X } from "lucide-react";
import { type ReactNode, useState } from "react";
import type { NodeView } from "@/api/openapi";
import { Loaded } from "@/components/loaded";
import { Sentence } from "@/components/sentence";
import { Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input } from "@/components/ui/field";
import { useMessages } from "@/lib/i18n";
import { details } from "./details-messages";
import { drainForecastQuery, type HostVerb, type VerbName } from "./host-actions";

interface WindowProps {
  node: NodeView;
  isPending: boolean;
  onDo: (what: HostVerb) => void;
  onClose: () => void;
}

/** Asks what has to be known, or whether it is meant, before something is done to a host. */
export default function HostWindow({ verb, ...rest }: WindowProps & { verb: VerbName }) {
  switch (verb) {
    case "drain":
      return <Drain {...rest} />;
    case "maintain":
      return <Maintenance {...rest} />;
    case "labels":
      return <Labels {...rest} />;
    default:
      return <Sure verb={verb} {...rest} />;
  }
}

function Sure({ verb, node, isPending, onDo, onClose }: WindowProps & { verb: VerbName }) {
  const t = useMessages(details);
  const words = {
    lead: { title: t.leadTitle(node.name), note: t.leadNote, button: t.leadVerb },
    fence: { title: t.fenceTitle(node.name), note: t.fenceNote, button: t.fenceVerb },
    remove: { title: t.removeTitle(node.name), note: t.removeNote, button: t.removeVerb },
  };
  if (verb !== "lead" && verb !== "fence" && verb !== "remove") return null;
  const { title, note, button } = words[verb];
  return (
    <Confirm
      title={title}
      verb={button}
      isDangerous={verb !== "lead"}
      isPending={isPending}
      onConfirm={() => onDo({ verb })}
      onCancel={onClose}
    >
      <p>{note}</p>
    </Confirm>
  );
}

/** What moves and what stays, before anything does. */
function Drain({ node, isPending, onDo, onClose }: WindowProps) {
  const t = useMessages(details);
  const forecast = useQuery(drainForecastQuery(node.id));
  return (
    <Confirm
      title={t.drainTitle(node.name)}
      verb={t.drainVerb}
      isDangerous={false}
      isPending={isPending}
      onConfirm={() => onDo({ verb: "drain" })}
      onCancel={onClose}
    >
      <p>{t.drainNote}</p>
      <section aria-label={t.forecast} className="min-h-24 rounded-md bg-hover px-3 py-2 text-text">
        <Loaded query={forecast} loading={<Loading label={t.loadingForecast} rows={2} className="p-0" />}>
          {({ moves, stays, unmanaged }) => (
            <>
              <Listed title={t.moves(moves.length)}>
                {moves.map((move) => (
                  <li key={`${move.service_id} ${move.ordinal}`}>
                    {t.movesTo(`${move.service_id}.${move.ordinal}`, move.to_node)}
                  </li>
                ))}
              </Listed>
              {stays.length > 0 && (
                <Listed title={t.stays(stays.length)}>
                  {stays.map((stay) => (
                    <li key={`${stay.service_id} ${stay.ordinal}`}>
                      {stay.service_id}.{stay.ordinal}:{" "}
                      <span className="text-muted">
                        <Sentence text={stay.reason} />
                      </span>
                    </li>
                  ))}
                </Listed>
              )}
              {unmanaged !== null && unmanaged > 0 && <p className="text-muted">{t.unmanaged(unmanaged)}</p>}
            </>
          )}
        </Loaded>
      </section>
    </Confirm>
  );
}

function Listed({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="mb-1.5">
      <p className="font-medium">{title}</p>
      <ul className="max-h-36 overflow-y-auto">{children}</ul>
    </div>
  );
}

function Maintenance({ node, isPending, onDo, onClose }: WindowProps) {
  const t = useMessages(details);
  const [minutes, setMinutes] = useState("30");
  const [reason, setReason] = useState("");
  return (
    <Dialog title={t.maintainTitle(node.name)} description={t.maintainNote} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          onDo({ verb: "maintain", minutes: Number(minutes), reason });
        }}
      >
        <Field label={t.minutes}>
          {(control) => (
            <Input
              {...control}
              type="number"
              min={1}
              step={1}
              required
              value={minutes}
              onChange={(event) => setMinutes(event.currentTarget.value)}
            />
          )}
        </Field>
        <Field label={t.reason} hint={t.reasonHint}>
          {(control) => (
            <Input
              {...control}
              maxLength={512}
              value={reason}
              onChange={(event) => setReason(event.currentTarget.value)}
            />
          )}
        </Field>
        <div className="flex justify-end">
          <Button tone="primary" type="submit" disabled={isPending}>
            {t.maintainVerb}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

interface LabelRow {
  id: number;
  name: string;
  value: string;
}

function Labels({ node, isPending, onDo, onClose }: WindowProps) {
  const t = useMessages(details);
  const [rows, setRows] = useState<LabelRow[]>(() =>
    Object.entries(node.labels).map(([name, value], id) => ({ id, name, value })),
  );
  const change = (id: number, more: Partial<LabelRow>) =>
    setRows((before) => before.map((row) => (row.id === id ? { ...row, ...more } : row)));
  const save = () => {
    const put = Object.fromEntries(
      rows.filter((row) => row.name.trim() !== "").map((row) => [row.name.trim(), row.value]),
    );
    onDo({ verb: "labels", put, remove: Object.keys(node.labels).filter((name) => !(name in put)) });
  };
  return (
    <Dialog title={t.labelsTitle(node.name)} description={t.labelsNote} onClose={onClose}>
      <form
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        {rows.map((row) => (
          <div key={row.id} className="flex items-center gap-2">
            <Input
              aria-label={t.label}
              value={row.name}
              onChange={(event) => change(row.id, { name: event.currentTarget.value })}
              className="min-w-0 flex-1"
            />
            <Input
              aria-label={t.value}
              value={row.value}
              onChange={(event) => change(row.id, { value: event.currentTarget.value })}
              className="min-w-0 flex-1"
            />
            <Button
              tone="ghost"
              isIcon
              aria-label={t.removeLabel(row.name)}
              onClick={() => setRows((before) => before.filter((each) => each.id !== row.id))}
            >
              <X aria-hidden className="size-4" />
            </Button>
          </div>
        ))}
        <div className="flex justify-between">
          <Button
            onClick={() =>
              setRows((before) => [
                ...before,
                { id: Math.max(-1, ...before.map(({ id }) => id)) + 1, name: "", value: "" },
              ])
            }
          >
            <Plus aria-hidden className="size-3.5" />
            {t.addLabel}
          </Button>
          <Button tone="primary" type="submit" disabled={isPending}>
            {t.save}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
