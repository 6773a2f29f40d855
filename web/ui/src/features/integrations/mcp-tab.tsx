import { CopyLine } from "@/components/copy-line";
import { Card, Section } from "@/components/ui/section";
import { useMessages } from "@/lib/i18n";
import { messages } from "./messages";

/** How an AI assistant is connected. */
export function McpTab() {
  const t = useMessages(messages);
  const { origin } = window.location;
  const lines = [
    {
      title: t.mcpCommand,
      text: `claude mcp add --transport http control-tower ${origin}/mcp --header "Authorization: Bearer TOKEN"`,
    },
    { title: t.mcpAddress, text: `${origin}/mcp` },
    { title: t.mcpSse, text: `${origin}/sse` },
  ];
  return (
    <Section title={t.mcpTitle}>
      <Card className="flex flex-col gap-4 p-4">
        <p className="max-w-[75ch] text-sm text-muted">{t.mcpNote}</p>
        {lines.map(({ title, text }) => (
          <div key={title} className="flex flex-col gap-1.5">
            <h3 className="text-sm font-medium">{title}</h3>
            <CopyLine label={title} text={text} />
          </div>
        ))}
      </Card>
    </Section>
  );
}
