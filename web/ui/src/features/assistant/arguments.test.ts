import { expect, test } from "vitest";
import { argumentsText } from "./arguments";

test("what was given is told, and what was left open is not", () => {
  const given = { service: "shop.web", replicas: 3, hosts: ["h1"], cursor: null, text: "" };
  expect(argumentsText(given)).toBe('service=shop.web replicas=3 hosts=["h1"]');
});
