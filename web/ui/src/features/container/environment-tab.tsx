import { useMutation, useQuery } from "@tanstack/react-query";
import { Eye, EyeOff, Variable } from "lucide-react";
import { useState } from "react";
import type { ContainerView } from "@/api/openapi";
import { Loaded } from "@/components/loaded";
import { Empty, Loading } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { ScrollingCard, Section } from "@/components/ui/section";
import { useMessages } from "@/lib/i18n";
import { useCanHere } from "./can-here";
import { documentQuery, reveal } from "./container-queries";
import { describedIn } from "./described";
import { messages } from "./messages";

/** The names of its variables; their values only for who may, once they asked, and on record. */
export default function EnvironmentTab({ container }: { container: ContainerView }) {
  const t = useMessages(messages);
  const can = useCanHere(container);
  const query = useQuery(documentQuery(container));
  const [isAsking, setAsking] = useState(false);
  const revealing = useMutation({
    mutationFn: () => reveal(container),
    onSettled: () => setAsking(false),
  });
  const revealed = revealing.data === undefined ? null : describedIn(revealing.data.document).environment;
  const names = query.data === undefined ? [] : describedIn(query.data.document).environment;
  const valueFor = (name: string) => revealed?.find((each) => each.name === name)?.value;
  return (
    <Section
      title={t.tabs.environment}
      note={query.data === undefined ? undefined : t.variables(names.length)}
      actions={
        can("container.reveal") &&
        names.length > 0 &&
        (revealed === null ? (
          <Button onClick={() => setAsking(true)}>
            <Eye aria-hidden className="size-3.5" />
            {t.reveal}
          </Button>
        ) : (
          <Button onClick={() => revealing.reset()}>
            <EyeOff aria-hidden className="size-3.5" />
            {t.hide}
          </Button>
        ))
      }
    >
      <ScrollingCard label={t.tabs.environment}>
        <Loaded query={query} loading={<Loading label={t.tabs.environment} rows={6} />}>
          {() =>
            names.length === 0 ? (
              <Empty icon={<Variable className="size-5" />} title={t.noEnvironment}>
                {t.noEnvironmentText}
              </Empty>
            ) : (
              <table className="w-full text-sm">
                <thead>
                  <tr className="text-left text-xs text-muted">
                    <th scope="col" className="h-8 px-4 font-medium">
                      {t.variable}
                    </th>
                    <th scope="col" className="h-8 w-full px-4 font-medium">
                      {t.value}
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {names.map(({ name }) => (
                    <tr key={name} className="border-t border-line align-top">
                      <th scope="row" className="px-4 py-1.5 text-left font-mono text-xs font-normal">
                        {name}
                      </th>
                      <td className="px-4 py-1.5 font-mono text-xs break-all">
                        {valueFor(name) ?? (
                          <span className="text-muted" title={t.hidden}>
                            <span aria-hidden>••••••</span>
                            <span className="sr-only">{t.hidden}</span>
                          </span>
                        )}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )
          }
        </Loaded>
      </ScrollingCard>
      {isAsking && (
        <Confirm
          title={t.revealTitle}
          verb={t.reveal}
          isDangerous={false}
          isPending={revealing.isPending}
          onConfirm={() => revealing.mutate()}
          onCancel={() => setAsking(false)}
        >
          <p>{t.revealText}</p>
        </Confirm>
      )}
    </Section>
  );
}
