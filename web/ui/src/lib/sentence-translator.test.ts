import { expect, test } from "vitest";
import { translatorOf } from "./sentence-translator";
import { translate } from "./sentences/italian";

const small = translatorOf(
  {
    "replica {0} on {1} {2}{3}": "la replica {0} su {1} {2}{3}",
    "replica {0}": "replica {0}",
    "did not become healthy within {0}": "non è diventata sana entro {0}",
    "its health check fails": "il suo controllo di salute fallisce",
    "{0} is {1}": "{0} è {1}",
    "{0} is {1}, and should run": "{0} è {1}, e dovrebbe girare",
    "is unhealthy": "non è sano",
    "{0} of {1} replicas": "su {1} repliche {0}",
    " on {0}": " su {0}",
    down: "giù",
  },
  { "; ": "; ", ": ": ": ", " and ": " e " },
);

function said(text: string, translator = small): string {
  return translator(text)
    .map((piece) => piece.text)
    .join("");
}

test("what stands in a placeholder is kept, in the order of the other language", () => {
  expect(said("2 of 3 replicas")).toBe("su 3 repliche 2");
  expect(said("web-1 is exited")).toBe("web-1 è exited");
});

test("a sentence in a sentence is said in the other language too", () => {
  expect(said("replica 0 on h2 did not become healthy within 5 min: its health check fails")).toBe(
    "la replica 0 su h2 non è diventata sana entro 5 min: il suo controllo di salute fallisce",
  );
});

test("of several templates that fit, the one that says the most is meant", () => {
  expect(said("web is down, and should run")).toBe("web è giù, e dovrebbe girare");
  expect(said("shop.web is unhealthy")).toBe("shop.web non è sano");
});

test("sentences that are joined are said one by one, and a capital letter stays one", () => {
  expect(said("Its health check fails; h1 is down")).toBe("Il suo controllo di salute fallisce; h1 è giù");
  expect(said("h1 is down.")).toBe("h1 è giù.");
});

test("what is not known stays as it is, and is told apart", () => {
  expect(small("nobody ever wrote this")).toEqual([{ text: "nobody ever wrote this", isEnglish: true }]);
  expect(small("its health check fails: nobody ever wrote this")).toEqual([
    { text: "il suo controllo di salute fallisce", isEnglish: false },
    { text: ": ", isEnglish: false },
    { text: "nobody ever wrote this", isEnglish: true },
  ]);
});

test("a name is of no language", () => {
  expect(small("h1; its health check fails").map(({ isEnglish }) => isEnglish)).toEqual([
    false,
    false,
    false,
  ]);
});

test("a sentence is not said half in one language and half in the other", () => {
  expect(said("the engine of the host is slow today")).toBe("the engine of the host is slow today");
});

test("a text of any length or make is answered", () => {
  expect(said("its health check fails: ".repeat(500)).length).toBeGreaterThan(10_000);
  expect(said("a is b of c on ".repeat(300)).length).toBeGreaterThan(3_000);
  expect(said("")).toBe("");
});

test.each([
  [
    "2 of 3 replicas run revision 4; 1 old replicas are not removed yet",
    "2 di 3 repliche eseguono la revisione 4; 1 vecchie repliche non sono ancora rimosse",
  ],
  [
    "no host can take it: h1 is being drained; h2 has 0.5 CPU not reserved, of 2 needed (10 % is kept free); and 3 more",
    "nessun host può accoglierlo: h1 viene svuotato; h2 ha 0.5 CPU non riservate, di 2 necessarie (10 % resta libero); e altri 3",
  ],
  [
    "Rollout of shop.web from revision 2 to 3 has failed: every replica has failed for good",
    "Rilascio di shop.web dalla revisione 2 alla 3 è fallito: ogni replica è fallita in modo definitivo",
  ],
  ["Host h2 is down: no heartbeat for 12 s", "Host h2 è giù: nessun heartbeat da 12 s"],
  [
    "pre hook 1 `./migrate` failed on h2: ended with exit code 3",
    "pre hook 1 `./migrate` non riuscito su h2: è terminato con codice di uscita 3",
  ],
  [
    "cannot pull nginx:9: no image nginx:9 in the registry (not found)",
    "nginx:9 non si può scaricare: nessuna immagine nginx:9 nel registry (not found)",
  ],
])("in Italian: %s", (english, italian) => {
  expect(said(english, translate)).toBe(italian);
});
