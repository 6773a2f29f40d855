"""What findings are called, in English and Italian: what was found, and what to do."""

from __future__ import annotations

from cluster.analytics.sentences import Language, Phrasebook, Text, amount, percent

BOOK = Phrasebook(
    {
        "quorum-lost": Text(
            "the cluster cannot change anything: {advice}", "il cluster non può cambiare nulla: {advice}"
        ),
        "quorum-at-risk": Text("the cluster runs, but {advice}", "il cluster funziona, ma {advice}"),
        "quorum-advice": Text(
            "bring the lost hosts back, or join others", "riportare gli host persi o aggiungerne altri"
        ),
        "store-full": Text(
            "host {host} has no room to record changes: {reason}",
            "l'host {host} non ha spazio per registrare modifiche: {reason}",
        ),
        "store-full-advice": Text("free space on its data disk", "liberare spazio sul suo disco dati"),
        "host-down": Text("host {host} is down: {reason}", "l'host {host} non è raggiungibile: {reason}"),
        "host-suspect": Text(
            "host {host} answers late: {reason}", "l'host {host} risponde in ritardo: {reason}"
        ),
        "host-advice": Text(
            "see whether the machine and its agent run; what can be moved is moved by itself",
            "verificare che la macchina e il suo agente siano attivi; ciò che può spostarsi si sposta da sé",
        ),
        "no-reason": Text("it does not answer", "non risponde"),
        "service-down": Text(
            "{name} serves nothing: none of {wanted} replicas is ready",
            "{name} non serve nulla: nessuna delle {wanted} repliche è pronta",
        ),
        "service-degraded": Text(
            "{name} has {ready} of {wanted} replicas ready", "{name} ha pronte {ready} repliche su {wanted}"
        ),
        "service-why": Text("replica {ordinal}: {reason}", "replica {ordinal}: {reason}"),
        "service-advice": Text(
            "look at what its replicas wrote; if it began with a deployment, go back to the revision before",
            "guardare che cosa hanno scritto le repliche; se è iniziato con un rilascio, tornare alla"
            " revisione precedente",
        ),
        "slower-advice": Text(
            "see what it waits for; if a deployment came just before, compare the revisions",
            "vedere che cosa attende; se poco prima c'è stato un rilascio, confrontare le revisioni",
        ),
        "more-errors-advice": Text(
            "look at the error lines of its replicas", "guardare le righe d'errore delle repliche"
        ),
        "busier-advice": Text(
            "if this load stays, give it more replicas", "se questo carico resta, dare più repliche"
        ),
        "deployed-before": Text(
            "revision {revision} of {service} was deployed {age} ago by {by}, and {service} is not as"
            " usual since",
            "la revisione {revision} di {service} è stata rilasciata {age} fa da {by}, e da allora"
            " {service} non è come al solito",
        ),
        "deployed-before-advice": Text(
            "compare the revisions; going back is the quickest way to know",
            "confrontare le revisioni; tornare indietro è il modo più rapido di saperlo",
        ),
        "rollout-failed": Text(
            "the rollout of revision {revision} of {service} failed: {reason}",
            "il rilascio della revisione {revision} di {service} è fallito: {reason}",
        ),
        "rollout-back": Text(
            "the rollout of revision {revision} of {service} was taken back: {reason}",
            "il rilascio della revisione {revision} di {service} è stato ritirato: {reason}",
        ),
        "rollout-waiting": Text(
            "the rollout of revision {revision} of {service} waits for a person: {reason}",
            "il rilascio della revisione {revision} di {service} attende una persona: {reason}",
        ),
        "rollout-under-way": Text(
            "revision {revision} of {service} is being rolled out, for {age}",
            "la revisione {revision} di {service} è in rilascio da {age}",
        ),
        "rollout-advice": Text(
            "put right what failed and deploy again; the revision before serves meanwhile",
            "correggere la causa e rilasciare di nuovo; intanto serve la revisione precedente",
        ),
        "rollout-overtaken-advice": Text(
            "a later rollout of the service succeeded; put right what failed before this revision is"
            " deployed again",
            "un rilascio successivo del servizio è riuscito; correggere la causa prima di rilasciare di nuovo"
            " questa revisione",
        ),
        "rollout-broken-advice": Text(
            "go back to the revision before, then put right what failed",
            "tornare alla revisione precedente, poi correggere la causa",
        ),
        "rollout-waiting-advice": Text("approve it, or abort it", "approvarlo o interromperlo"),
        "rollout-under-way-advice": Text(
            "wait for it, or look how far it is", "attendere o guardare a che punto è"
        ),
        "hook-failed": Text(
            "its {hook} hook ended with exit code {exit_code}: {command}",
            "il suo hook {hook} è terminato con codice {exit_code}: {command}",
        ),
        "hook-ended": Text(
            "its {hook} hook was ended: {reason}", "il suo hook {hook} è stato terminato: {reason}"
        ),
        "hook-advice": Text(
            "read what it printed, and run it by hand", "leggere che cosa ha scritto ed eseguirlo a mano"
        ),
        "replica-failed": Text(
            "a new replica of {service} said: {reason}", "una nuova replica di {service} ha detto: {reason}"
        ),
        "replica-advice": Text(
            "read the last lines of the new replica", "leggere le ultime righe della nuova replica"
        ),
        "judged-worse": Text(
            "the new revision failed {new} of its requests, the old one {old}: {verdict}",
            "la nuova revisione ha fallito {new} delle richieste, la vecchia {old}: {verdict}",
        ),
        "judged": Text("the judge said: {verdict}", "il giudice ha detto: {verdict}"),
        "judged-advice": Text(
            "look at the errors of the new revision", "guardare gli errori della nuova revisione"
        ),
        "limit-exceeded": Text(
            "a metric was beyond its limit: {limit}", "una metrica ha superato il limite: {limit}"
        ),
        "limit-advice": Text("compare the metric before and after", "confrontare la metrica prima e dopo"),
        "changed": Text(
            "revision {revision} of {service} has otherwise: {changes}",
            "la revisione {revision} di {service} ha di diverso: {changes}",
        ),
        "changed-advice": Text("one of these is likely the cause", "una di queste è probabilmente la causa"),
        "shortage-advice": Text(
            "remove what nobody needs, add room, or find out what grows",
            "togliere ciò che non serve, aggiungere spazio o scoprire che cosa cresce",
        ),
        "loss-advice": Text(
            "add a host or room, or loosen rules that bind replicas",
            "aggiungere un host o spazio, o allentare le regole che vincolano le repliche",
        ),
        "out-of-memory": Text(
            "the kernel killed {container} on {host} for want of memory ({count} times)",
            "il kernel ha ucciso {container} su {host} per mancanza di memoria ({count} volte)",
        ),
        "out-of-memory-advice": Text(
            "raise its memory limit, or look for a leak: does its memory rise for days?",
            "alzare il suo limite di memoria o cercare una perdita: la memoria sale da giorni?",
        ),
        "crash-loop": Text(
            "{name} on {host} ended {count} times, last with exit code {exit_code}: {meaning}",
            "{name} su {host} è terminato {count} volte, l'ultima con codice {exit_code}: {meaning}",
        ),
        "ended": Text(
            "{name} on {host} ended with exit code {exit_code}: {meaning}",
            "{name} su {host} è terminato con codice {exit_code}: {meaning}",
        ),
        "crash-advice": Text(
            "read its last lines before it ended", "leggere le sue ultime righe prima della fine"
        ),
        "unhealthy": Text(
            "the health check of {container} on {host} fails",
            "il controllo di salute di {container} su {host} fallisce",
        ),
        "unhealthy-advice": Text(
            "see what its check asks for, and what it wrote",
            "vedere che cosa chiede il controllo e che cosa ha scritto",
        ),
        "error-lines": Text(
            "{name} on {host} wrote {count} error lines of one kind",
            "{name} su {host} ha scritto {count} righe d'errore di un tipo",
        ),
        "error-lines-advice": Text("read the lines around them", "leggere le righe intorno"),
        "alert-advice": Text("look at the alert", "guardare l'allarme"),
        "nothing-health": Text("all is well as far as can be seen", "tutto bene, per quanto si vede"),
        "nothing-slow": Text(
            "nothing is short, and nothing is slower than usual, of what is measured",
            "di ciò che è misurato nulla manca e nulla è più lento del solito",
        ),
        "nothing-deploy-failed": Text("no deployment failed lately", "nessun rilascio è fallito di recente"),
        "nothing-runs-out": Text(
            "nothing is used up within a year, as far as can be concluded",
            "nulla si esaurisce entro un anno, per quanto si può concludere",
        ),
        "nothing-restarts": Text("nothing ended by itself lately", "nulla è terminato da sé di recente"),
        "exit-0": Text("it ended by itself, as if done", "è terminato da sé, come concluso"),
        "exit-126": Text("its command may not be run", "il suo comando non è eseguibile"),
        "exit-127": Text("its command was not found", "il suo comando non è stato trovato"),
        "exit-137": Text(
            "killed: want of memory, or a stop that took too long",
            "ucciso: memoria esaurita o arresto troppo lento",
        ),
        "exit-139": Text("it touched memory that is not its own", "ha toccato memoria non sua"),
        "exit-143": Text("it was asked to stop", "gli è stato chiesto di fermarsi"),
        "exit-unknown": Text("how is not known", "non si sa come"),
        "exit-other": Text("a failure of its own", "un errore suo"),
    }
)

_TOLD_EXITS = frozenset({0, 126, 127, 137, 139, 143})


def say(key: str, **values: str | float | Text) -> Text:
    """Return what is said, in both languages; a Text among the values is put in by its language."""
    told = [
        BOOK.say(
            language,
            key,
            **{
                name: value.in_language(language) if isinstance(value, Text) else str(value)
                for name, value in values.items()
            },
        )
        for language in (Language.EN, Language.IT)
    ]
    return Text(*told)


def small(text: Text) -> Text:
    """Return a text with its first letter small, to stand within a sentence."""
    return Text(text.en[:1].lower() + text.en[1:], text.it[:1].lower() + text.it[1:])


def joined(first: Text, second: Text) -> Text:
    """Return two parts of a sentence as one."""
    return Text(f"{first.en}; {second.en}", f"{first.it}; {second.it}")


def exit_meaning(exit_code: int | None) -> Text:
    """Return what an exit code tells."""
    if exit_code is None:
        return small(say("exit-unknown"))
    return small(say(f"exit-{exit_code}" if exit_code in _TOLD_EXITS else "exit-other"))


def share(value: float) -> Text:
    """Return a share from 0 to 1 in percent."""
    return Text(percent(Language.EN, value * 100), percent(Language.IT, value * 100))


def measured(value: float, unit: str) -> Text:
    """Return a value with its unit."""
    return Text(amount(Language.EN, value, unit), amount(Language.IT, value, unit))


def age(span_ms: int) -> Text:
    """Return a time span: `40 s`, `12 min`, `3 h`, `2 days`."""
    seconds = max(0, span_ms) // 1000
    if seconds < 120:
        return Text(f"{seconds} s", f"{seconds} s")
    if seconds < 2 * 3600:
        return Text(f"{seconds // 60} min", f"{seconds // 60} min")
    if seconds < 2 * 86_400:
        return Text(f"{seconds // 3600} h", f"{seconds // 3600} h")
    return Text(f"{seconds // 86_400} days", f"{seconds // 86_400} giorni")
