import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { clusterQuery } from "@/api/queries";
import { Sentence } from "@/components/sentence";
import { Status } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input } from "@/components/ui/field";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";
import { pull, RESOURCES_KEY } from "./resource-queries";

/** Have hosts get an image, and see which of them did. */
export default function PullWindow({ onClose }: { onClose: () => void }) {
  const t = useMessages(messages);
  const client = useQueryClient();
  const { data: cluster } = useQuery(clusterQuery);
  const nodes = cluster?.nodes.filter((node) => node.status === "up") ?? [];
  const [image, setImage] = useState("");
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const chosen = nodes.filter((node) => !left.has(node.id));
  const pulling = useMutation({
    mutationFn: () =>
      pull(
        image.trim(),
        chosen.map(({ id }) => id),
      ),
    onSettled: () => client.invalidateQueries({ queryKey: RESOURCES_KEY }),
  });
  const toggle = (id: string) =>
    setLeft((before) => {
      const next = new Set(before);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  return (
    <Dialog title={t.pullTitle} description={t.pullNote} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          pulling.mutate();
        }}
      >
        <Field label={t.image} hint={t.imageHint}>
          {(control) => (
            <Input
              {...control}
              required
              autoComplete="off"
              spellCheck={false}
              pattern="[!-~]+"
              maxLength={512}
              value={image}
              onInput={(event) => setImage(event.currentTarget.value)}
            />
          )}
        </Field>
        <fieldset className="flex flex-wrap gap-x-4 gap-y-2 text-sm">
          <legend className="mb-1.5 font-medium">{t.onHosts}</legend>
          {nodes.map((node) => (
            <label key={node.id} className="flex items-center gap-2">
              <input
                type="checkbox"
                className="size-3.5 accent-accent"
                checked={!left.has(node.id)}
                onChange={() => toggle(node.id)}
              />
              {node.name}
            </label>
          ))}
        </fieldset>
        {pulling.data !== undefined && (
          <ul role="status" className="flex flex-col gap-1.5 text-sm">
            {pulling.data.items.map((item) => (
              <li key={item.node_id} className="flex flex-wrap items-baseline gap-x-2">
                <span className="w-16 truncate">{item.node_name}</span>
                <Status tone={item.is_pulled ? "ok" : "bad"}>
                  {item.is_pulled ? t.pulled : t.pullFailed}
                </Status>
                {item.reason !== "" && (
                  <p className="w-full text-xs break-words text-muted">
                    <Sentence text={item.reason} />
                  </p>
                )}
              </li>
            ))}
          </ul>
        )}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{t.close}</Button>
          <Button type="submit" tone="primary" disabled={pulling.isPending || chosen.length === 0}>
            {pulling.isPending ? t.pulling : t.pullVerb}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
