import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import type { ProviderBody, ProviderView } from "@/api/openapi";
import { CopyLine } from "@/components/copy-line";
import { errorOf, FormError } from "@/components/form-error";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Field, Input, TextArea } from "@/components/ui/field";
import { FocusedInput } from "@/components/ui/focused-input";
import { showDone } from "@/components/ui/toast-store";
import { useMessages } from "@/lib/i18n";
import { groupRolesText, parseGroupRoles } from "./group-roles";
import { messages } from "./provider-messages";
import { adminProvidersQuery, saveProvider } from "./provider-queries";

interface ProviderWindowProps {
  /** Null: a new one. */
  provider: ProviderView | null;
  onClose: () => void;
}

const FIELDS = [
  "id",
  "label",
  "issuer",
  "client_id",
  "client_secret",
  "scopes",
  "groups_claim",
  "name_claim",
  "ca_pem",
  "token_audience",
];

/** An identity provider as a whole. */
export default function ProviderWindow({ provider, onClose }: ProviderWindowProps) {
  const t = useMessages(messages);
  const client = useQueryClient();
  const [wrongRoles, setWrongRoles] = useState<string>();
  const save = useMutation({
    mutationFn: ({ id, body }: { id: string; body: ProviderBody }) => saveProvider(id, body),
    meta: { isShownInPlace: true },
    onSuccess: (saved) => {
      showDone(t.saved(saved.label));
      void client.invalidateQueries({ queryKey: adminProvidersQuery.queryKey });
      onClose();
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const text = (name: string) => String(fields.get(name) ?? "").trim();
    const mapping = parseGroupRoles(text("roles"));
    setWrongRoles("wrong" in mapping ? t.rolesWrong(mapping.wrong) : undefined);
    if ("wrong" in mapping) return;
    const secret = text("client_secret");
    save.mutate({
      id: provider?.id ?? text("id"),
      body: {
        label: text("label"),
        issuer: text("issuer"),
        client_id: text("client_id"),
        client_secret: secret === "" ? null : secret,
        scopes: text("scopes").split(/\s+/),
        groups_claim: text("groups_claim"),
        name_claim: text("name_claim"),
        roles: mapping.roles,
        ca_pem: text("ca_pem"),
        token_audience: text("token_audience"),
        expected_version: provider?.version ?? 0,
      },
    });
  };
  const line = (name: string, label: string, value: string, hint?: string, isMono = true) => (
    <Field label={label} error={errorOf(save.error, name)} {...(hint === undefined ? {} : { hint })}>
      {(control) => (
        <Input
          {...control}
          name={name}
          required
          defaultValue={value}
          autoComplete="off"
          spellCheck={false}
          {...(isMono ? { className: "font-mono" } : {})}
        />
      )}
    </Field>
  );
  return (
    <Dialog title={provider === null ? t.addTitle : t.editTitle(provider.label)} isWide onClose={onClose}>
      <form onSubmit={submit} className="flex flex-col gap-4">
        <FormError error={save.error} fields={FIELDS} />
        <div className="grid gap-4 sm:grid-cols-2">
          {provider === null && (
            <Field label={t.id} hint={t.idHint} error={errorOf(save.error, "id")}>
              {(control) => (
                <FocusedInput
                  {...control}
                  name="id"
                  required
                  maxLength={63}
                  placeholder="corp"
                  autoComplete="off"
                  spellCheck={false}
                  className="font-mono"
                />
              )}
            </Field>
          )}
          {line("label", t.label, provider?.label ?? "", t.labelHint, false)}
        </div>
        {line("issuer", t.issuer, provider?.issuer ?? "https://", t.issuerHint)}
        <div className="grid gap-4 sm:grid-cols-2">
          {line("client_id", t.clientId, provider?.client_id ?? "")}
          <Field
            label={t.secret}
            hint={provider?.has_secret ? t.secretKept : t.secretNone}
            error={errorOf(save.error, "client_secret")}
          >
            {(control) => (
              <Input {...control} name="client_secret" type="password" autoComplete="new-password" />
            )}
          </Field>
          {line("groups_claim", t.groupsClaim, provider?.groups_claim ?? "groups", t.groupsHint)}
          {line("name_claim", t.nameClaim, provider?.name_claim ?? "preferred_username")}
        </div>
        {line("scopes", t.scopes, (provider?.scopes ?? ["openid", "profile", "email"]).join(" "))}
        <Field label={t.roles} hint={t.rolesHint} error={wrongRoles ?? errorOf(save.error, "roles")}>
          {(control) => (
            <TextArea
              {...control}
              name="roles"
              rows={4}
              spellCheck={false}
              placeholder={"platform-admins = admin\ndevelopers = operator"}
              defaultValue={groupRolesText(provider?.roles ?? [])}
            />
          )}
        </Field>
        <Field label={t.audience} hint={t.audienceHint} error={errorOf(save.error, "token_audience")}>
          {(control) => (
            <Input
              {...control}
              name="token_audience"
              maxLength={256}
              placeholder={`${window.location.origin}/mcp`}
              defaultValue={provider?.token_audience ?? ""}
              autoComplete="off"
              spellCheck={false}
              className="font-mono"
            />
          )}
        </Field>
        <Field label={t.ca} hint={t.caHint} error={errorOf(save.error, "ca_pem")}>
          {(control) => (
            <TextArea
              {...control}
              name="ca_pem"
              rows={2}
              spellCheck={false}
              placeholder="-----BEGIN CERTIFICATE-----"
              defaultValue={provider?.ca_pem ?? ""}
            />
          )}
        </Field>
        {provider !== null && (
          <div className="flex flex-col gap-1.5 text-sm">
            <p className="font-medium">{t.redirects}</p>
            <p className="text-xs text-muted">{t.redirectsNote}</p>
            {provider.redirect_urls.map((url) => (
              <CopyLine key={url} text={url} label={url} />
            ))}
          </div>
        )}
        <div className="flex justify-end">
          <Button type="submit" tone="primary" disabled={save.isPending}>
            {save.isPending ? t.saving : t.save}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
