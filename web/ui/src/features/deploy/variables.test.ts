import { expect, test } from "vitest";
import { givenOf, variablesOf } from "./variables";

test("variables are found in every form, once, in the order of the file", () => {
  const found = variablesOf(
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Compose's form of a variable
    "image: web:${TAG}\nx: $HOST ${TAG:-1} ${MODE:-dev} ${ON:+yes} ${KEY:?give it}\n",
  );
  expect(found).toEqual([
    { name: "TAG", isRequired: true, default: "1" },
    { name: "HOST", isRequired: true, default: "" },
    { name: "MODE", isRequired: false, default: "dev" },
    { name: "ON", isRequired: false, default: "" },
    { name: "KEY", isRequired: true, default: "" },
  ]);
});

test("a doubled sign is a sign, and comments use nothing", () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Compose's form of a variable
  expect(variablesOf("a: $$HOME ${}\n# ${OLD}\nb: 5$")).toEqual([]);
});

test("what the file does not ask for is not sent", () => {
  expect(givenOf(variablesOf("$A $B $C"), { A: "1", B: "", Z: "2" })).toEqual({ A: "1" });
});
