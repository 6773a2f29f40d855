import { describe, expect, test } from "vitest";
import type { AlertView, ContainerView, RuleSettings } from "@/api/openapi";
import { byUrgency, chartOf, containerOf, shownOf } from "./alert-list";
import { parseSearch } from "./alerts-search";
import { newlyTold } from "./newly-told";
import { fieldOf, formOf, KINDS, NEW_RULE, settingsOf, wrongFields } from "./rule-form";

const HOUR = 3_600_000;

function alert(number: number, more: Partial<AlertView> = {}): AlertView {
  return {
    number,
    rule: "host-down",
    severity: "warning",
    state: "firing",
    since_ms: 10 * HOUR,
    resolved_at_ms: null,
    text: "Host h2 is down.",
    translations: {},
    subject: {
      kind: "host",
      name: "h2",
      node_id: "nd_2",
      node_name: "h2",
      service_id: "",
      environment: "",
    },
    ...more,
  } as AlertView;
}

describe("the list", () => {
  test("has what needs somebody first", () => {
    const alerts = [
      alert(1, { state: "silenced", severity: "critical" }),
      alert(2, { state: "acknowledged", severity: "critical" }),
      alert(3),
      alert(4, { severity: "critical" }),
      alert(5, { since_ms: 11 * HOUR }),
    ];
    expect(alerts.sort(byUrgency).map(({ number }) => number)).toEqual([4, 5, 3, 2, 1]);
  });
  test("is of a grade and those above it", () => {
    const alerts = [alert(1, { severity: "info" }), alert(2), alert(3, { severity: "critical" })];
    expect(shownOf(alerts, "", "warning").map(({ number }) => number)).toEqual([2, 3]);
  });
  test("is searched by what is said, what it is about, and its number", () => {
    const alerts = [alert(1), alert(27, { text: "/srv fills.", rule: "disk-full" })];
    expect(shownOf(alerts, "down h2", undefined).map(({ number }) => number)).toEqual([1]);
    expect(shownOf(alerts, "27", undefined).map(({ number }) => number)).toEqual([27]);
  });
});

describe("where an alert leads", () => {
  test("a host's chart begins an hour before it did, and does not end in the future", () => {
    expect(chartOf(alert(1), 10.5 * HOUR)).toEqual({ of: "host:h2", from: 9 * HOUR, to: 10.5 * HOUR });
  });
  test("what is over is shown up to an hour later", () => {
    expect(chartOf(alert(1, { resolved_at_ms: 11 * HOUR }), 90 * HOUR)?.to).toBe(12 * HOUR);
  });
  test("of the cluster as a whole there is no chart", () => {
    const subject = { ...alert(1).subject, kind: "cluster", node_name: "" };
    expect(chartOf(alert(1, { subject }), HOUR)).toBeNull();
  });
  test("a container is the one of that name on that host, if it is still there", () => {
    const subject = { ...alert(1).subject, kind: "container", name: "web" };
    const containers = [
      { id: "a", name: "web", node_id: "nd_1" },
      { id: "b", name: "web", node_id: "nd_2" },
    ] as ContainerView[];
    expect(containerOf(alert(1, { subject }), containers)?.id).toBe("b");
    expect(containerOf(alert(1), containers)).toBeUndefined();
    expect(chartOf(alert(1, { subject }), HOUR)?.of).toBe("container:h2/web");
  });
});

describe("a rule", () => {
  const threshold: RuleSettings = {
    ...settingsOf({ ...NEW_RULE, value: "90" }, null),
    labels: { team: "web" },
    looks: 5,
    looks_min: 3,
    enabled: false,
  };
  test("comes back from its form as it was", () => {
    expect(settingsOf(formOf(threshold), threshold)).toEqual(threshold);
  });
  test("of another kind keeps nothing that kind has not", () => {
    const settings = settingsOf({ ...formOf(threshold), kind: "host-down" }, threshold);
    expect([settings.metric, settings.above, settings.looks, settings.step_s]).toEqual(["", null, 0, 60]);
  });
  test("below a bound is not above it", () => {
    const settings = settingsOf({ ...NEW_RULE, side: "below", value: "0,5" }, null);
    expect([settings.above, settings.below]).toEqual([null, 0.5]);
    expect(formOf(settings).side).toBe("below");
  });
  test("with text that is no number or no span is not saved", () => {
    expect(wrongFields({ ...NEW_RULE, value: "many", for: "soon" })).toEqual({
      value: "number",
      for: "span",
    });
    expect(wrongFields({ ...NEW_RULE, kind: "host-down", value: "many", for: "2m" })).toEqual({});
  });
  test("of each kind can be made of the form", () => {
    for (const kind of KINDS) expect(settingsOf({ ...NEW_RULE, kind, value: "1" }, null).kind).toBe(kind);
  });
  test("has the server's word beside the field it is about", () => {
    expect(["above", "for_s", "metric", "name", "looks_min"].map(fieldOf)).toEqual([
      "value",
      "for",
      "metric",
      "name",
      null,
    ]);
  });
  test("that names several hosts, some twice, names each once", () => {
    expect(settingsOf({ ...NEW_RULE, hosts: "h1, h2,,h1 " }, null).hosts).toEqual(["h1", "h2"]);
  });
});

test("an address with nonsense in it shows what is open", () => {
  expect(parseSearch({ tab: "moon", grade: 3, alert: "x", q: { a: 1 } })).toEqual(parseSearch({}));
});

describe("news", () => {
  test("is nothing of what was there when the page was opened", () => {
    expect(newlyTold(null, [alert(1, { told_at_ms: 5 })]).news).toEqual([]);
  });
  test("is an alert people are told of, once, and not before they are", () => {
    const first = newlyTold(null, [alert(1, { told_at_ms: 5 }), alert(2, { told_at_ms: null })]);
    const second = newlyTold(first.told, [alert(1, { told_at_ms: 5 }), alert(2, { told_at_ms: 9 })]);
    expect(second.news.map(({ number }) => number)).toEqual([2]);
    expect(newlyTold(second.told, [alert(2, { told_at_ms: 9 })]).news).toEqual([]);
  });
  test("comes a few at a time", () => {
    const many = Array.from({ length: 30 }, (_, place) => alert(place, { told_at_ms: 1 }));
    expect(newlyTold(new Set(), many).news).toHaveLength(3);
  });
});
