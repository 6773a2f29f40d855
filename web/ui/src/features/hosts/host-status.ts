import type { NodeView } from "@/api/openapi";
import type { Tone } from "@/components/ui/badge";

const WORDS: Record<NodeView["status"], { tone: Tone; word: string }> = {
  up: { tone: "ok", word: "up" },
  suspect: { tone: "warn", word: "suspect" },
  down: { tone: "bad", word: "down" },
  left: { tone: "neutral", word: "left" },
};

export function statusOf(node: NodeView): { tone: Tone; word: string } {
  return WORDS[node.status];
}
