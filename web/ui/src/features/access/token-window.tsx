import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Role, Toolset } from "@/api/openapi";
import { meQuery } from "@/api/session";
import { CopyLine } from "@/components/copy-line";
import { errorOf, FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { CheckBox, Field, Input, Select } from "@/components/ui/field";
import { useMessages } from "@/lib/i18n";
import { useMakeToken } from "./access-queries";
import { messages } from "./messages";

const DAY_S = 86_400;
const DAYS = [1, 30, 90, 365] as const;
const ROLES: readonly Role[] = ["viewer", "operator", "admin"];
const TOOLSETS: readonly Toolset[] = ["containers", "observe", "analytics", "deploy", "cluster", "admin"];

/** Makes an API token of one's own, and shows it once. */
export default function TokenWindow({ onClose }: { onClose: () => void }) {
  const t = useMessages(messages);
  const { data: me } = useQuery(meQuery);
  const make = useMakeToken();
  const [name, setName] = useState("");
  const own = me === undefined || me === null ? "viewer" : me.role;
  // Somebody who is bound to parts may give a token what they are bound to.
  const roles = own === "none" ? ROLES.slice(0, 2) : ROLES.slice(0, ROLES.indexOf(own) + 1);
  const [role, setRole] = useState<Role>(roles[0] ?? "viewer");
  const [days, setDays] = useState<number>(90);
  const [isReadOnly, setReadOnly] = useState(false);
  const [toolsets, setToolsets] = useState<readonly Toolset[]>([]);
  if (make.data !== undefined) {
    return (
      <Dialog title={t.makeTokenTitle} description={t.tokenOnce} isWide onClose={onClose}>
        <CopyLine label={t.makeTokenTitle} text={make.data.token} />
        <p className="mt-3 text-sm text-muted">{t.tokenHint}</p>
        <div className="mt-5 flex justify-end">
          <Button tone="primary" onClick={onClose}>
            {t.done}
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title={t.makeTokenTitle} description={t.makeTokenNote} onClose={onClose}>
      <form
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate({ name, role, ttl_s: days * DAY_S, read_only: isReadOnly, toolsets: [...toolsets] });
        }}
      >
        <Field label={t.name} error={errorOf(make.error, "name")}>
          {(control) => (
            <Input
              {...control}
              required
              maxLength={64}
              placeholder="ci"
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
          )}
        </Field>
        <div className="grid grid-cols-2 gap-4">
          <Field label={t.role}>
            {(control) => (
              <Select
                {...control}
                value={role}
                onChange={(event) => setRole(event.currentTarget.value as Role)}
              >
                {roles.map((each) => (
                  <option key={each} value={each}>
                    {t.roles[each]}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Field label={t.validFor}>
            {(control) => (
              <Select
                {...control}
                value={days}
                onChange={(event) => setDays(Number(event.currentTarget.value))}
              >
                {DAYS.map((each) => (
                  <option key={each} value={each}>
                    {t.daysOf(each)}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        </div>
        <CheckBox label={t.readOnly} isOn={isReadOnly} onChange={setReadOnly} />
        <fieldset className="flex flex-col gap-2">
          <legend className="mb-1 text-sm font-medium">{t.toolsets}</legend>
          <div className="grid grid-cols-2 gap-2">
            {TOOLSETS.map((each) => (
              <CheckBox
                key={each}
                label={t.toolset[each]}
                isOn={toolsets.includes(each)}
                onChange={(isOn) =>
                  setToolsets(isOn ? [...toolsets, each] : toolsets.filter((other) => other !== each))
                }
              />
            ))}
          </div>
          <p className="text-xs text-muted">{t.allTools}</p>
        </fieldset>
        <FormError error={make.error} fields={["name"]} />
        <div className="flex justify-end">
          <Button tone="primary" type="submit" disabled={make.isPending}>
            {t.make}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
