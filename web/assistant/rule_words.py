"""What the rules say around what they found, in English and Italian."""

from __future__ import annotations

from collections.abc import Mapping

from cluster.analytics.sentences import Phrasebook, Text
from cluster.diagnosis.findings import Code, Question

BOOK = Phrasebook(
    {
        "not-understood": Text(
            "I answer by rules, and did not understand that. I can say whether all is well, why something is"
            " slow or restarts, why a deployment failed, and what will run out first. This is how all is:",
            "rispondo con regole e non ho capito. Posso dire se va tutto bene, perché qualcosa è lento o si"
            " riavvia, perché un rilascio è fallito e che cosa finirà per primo. La situazione è questa:",
        ),
        "of": Text("of **{name}**, in the last {hours} h:", "di **{name}**, nelle ultime {hours} h:"),
        "left-out": Text(
            "there is more: {count} findings are not told here.",
            "c'è altro: {count} risultati non sono riportati.",
        ),
        "not-looked-at": Text(
            "not looked at: {parts}. You may not see it, or it is not recorded.",
            "non esaminato: {parts}. Non è visibile con i tuoi permessi, oppure non è registrato.",
        ),
        "can-do": Text(
            "what I can propose: {step}. Ask for it, and a plan will wait for your approval.",
            "che cosa posso proporre: {step}. Basta chiederlo: un piano attenderà la tua approvazione.",
        ),
        "planned": Text(
            "nothing was done yet: a plan waits for approval to {step}.",
            "non è stato fatto ancora nulla: un piano attende l'approvazione per {step}.",
        ),
        "refused": Text("that cannot be done: {reason}", "non è possibile: {reason}"),
        "nothing-to-do": Text(
            "there is nothing in what I found that I could propose to do. You can ask to roll back, restart"
            " or scale a service by its name.",
            "in ciò che ho trovato non c'è nulla che possa proporre. Si può chiedere di tornare indietro,"
            " riavviare o scalare un servizio per nome.",
        ),
        "of-what": Text("of which service? Say its name.", "di quale servizio? Dirne il nome."),
        "failed": Text("I could not look: {reason}", "non ho potuto guardare: {reason}"),
        "roll-back": Text("roll back {name}", "tornare indietro con {name}"),
        "roll-back-to": Text("roll back {name} to revision {to}", "riportare {name} alla revisione {to}"),
        "restart": Text("restart {name}", "riavviare {name}"),
        "scale": Text("scale {name} to {count} replicas", "portare {name} a {count} repliche"),
        "do": Text("call {tool}", "chiamare {tool}"),
        "ask-roll-back": Text("roll back {name}", "torna indietro con {name}"),
        "ask-do-it": Text("do it", "fallo"),
        "ask-health": Text("is all well?", "va tutto bene?"),
        "ask-slow": Text("the system seems slow", "il sistema sembra lento"),
        "ask-deploy-failed": Text("why did the deploy fail?", "perché è fallito il rilascio?"),
        "ask-runs-out": Text("what will run out first?", "che cosa finirà per primo?"),
        "ask-restarts": Text("does anything restart?", "si riavvia qualcosa?"),
        "ask-slow-of": Text("why is {subject} slow?", "perché {subject} è lento?"),
        "ask-deploy-failed-of": Text(
            "why did the deploy of {subject} fail?", "perché è fallito il rilascio di {subject}?"
        ),
        "ask-restarts-of": Text("why does {subject} restart?", "perché {subject} si riavvia?"),
        "ask-health-of": Text("is {subject} well?", "{subject} sta bene?"),
        "critical": Text("critical", "critico"),
        "warning": Text("warning", "attenzione"),
        "info": Text("note", "nota"),
        "line": Text("log line", "riga di log"),
        "rollout": Text("rollout", "rilascio"),
        "alert": Text("alert {number}", "allarme {number}"),
        "see": Text("see {pages}", "vedi {pages}"),
    }
)

PARTS: Mapping[str, Text] = {
    "quorum": Text("the cluster's quorum", "il quorum del cluster"),
    "hosts": Text("hosts", "host"),
    "services": Text("services", "servizi"),
    "alerts": Text("alerts", "allarmi"),
    "rollouts": Text("rollouts", "rilasci"),
    "containers": Text("containers", "container"),
    "bottlenecks": Text("metrics", "metriche"),
    "shortages": Text("metrics", "metriche"),
    "errors": Text("error lines of logs", "righe d'errore dei log"),
    "deaths": Text("ends of containers", "terminazioni di container"),
}
"""What a diagnosis names as not looked at."""

QUESTION_OF: Mapping[Code, Question] = {
    Code.SERVICE_DOWN: Question.RESTARTS,
    Code.SERVICE_DEGRADED: Question.RESTARTS,
    Code.OUT_OF_MEMORY: Question.RESTARTS,
    Code.CRASH_LOOP: Question.RESTARTS,
    Code.ENDED: Question.RESTARTS,
    Code.UNHEALTHY: Question.RESTARTS,
    Code.BOTTLENECK: Question.SLOW,
    Code.SLOWER: Question.SLOW,
    Code.MORE_ERRORS: Question.SLOW,
    Code.BUSIER: Question.SLOW,
    Code.DEPLOYED_BEFORE: Question.SLOW,
    Code.ROLLOUT_FAILED: Question.DEPLOY_FAILED,
    Code.ROLLOUT_BACK: Question.DEPLOY_FAILED,
    Code.HOOK_FAILED: Question.DEPLOY_FAILED,
    Code.REPLICA_FAILED: Question.DEPLOY_FAILED,
    Code.JUDGED_WORSE: Question.DEPLOY_FAILED,
    Code.LIMIT_EXCEEDED: Question.DEPLOY_FAILED,
    Code.FULL: Question.RUNS_OUT,
    Code.FILLING: Question.RUNS_OUT,
}
"""What somebody who hears of a finding asks next."""
