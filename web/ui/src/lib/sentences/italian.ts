import { translatorOf } from "@/lib/sentence-translator";
import decisions from "@/lib/sentences/it/decisions.json";
import hosts from "@/lib/sentences/it/hosts.json";
import requests from "@/lib/sentences/it/requests.json";
import rollouts from "@/lib/sentences/it/rollouts.json";
import tools from "@/lib/sentences/it/tools.json";
import words from "@/lib/sentences/it/words.json";

const joints = {
  "\n": "\n",
  "; ": "; ",
  ". ": ". ",
  ": ": ": ",
  ", ": ", ",
  " and ": " e ",
  " or ": " o ",
  " after ": " dopo ",
};

export const translate = translatorOf(
  { ...words, ...rollouts, ...hosts, ...decisions, ...tools, ...requests },
  joints,
);
