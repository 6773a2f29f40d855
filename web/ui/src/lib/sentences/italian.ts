import { translatorOf } from "@/lib/sentence-translator";
import compose from "@/lib/sentences/it/compose.json";
import containers from "@/lib/sentences/it/containers.json";
import decisions from "@/lib/sentences/it/decisions.json";
import forms from "@/lib/sentences/it/forms.json";
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
  {
    ...words,
    ...rollouts,
    ...hosts,
    ...containers,
    ...decisions,
    ...tools,
    ...requests,
    ...forms,
    ...compose,
  },
  joints,
);
