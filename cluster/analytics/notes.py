"""What could not be concluded of anomalies, to be said beside what was found."""

from __future__ import annotations

from cluster.analytics.sentences import Text

BEING_READ = Text(
    "nothing was looked at yet: the history is being read",
    "non è stato ancora guardato nulla: si sta leggendo la storia",
)
BEHIND = Text(
    "the last {minutes} minutes are not looked at yet", "gli ultimi {minutes} minuti non sono ancora guardati"
)
LEARNING = Text(
    "{hours} of 48 hours are known: what happens every day is not known yet, and what is found is only for"
    " information",
    "si conoscono {hours} ore di 48: non si sa ancora che cosa succede ogni giorno, e ciò che si trova è solo"
    " per informazione",
)
NOT_WATCHED = Text(
    "{count} series are not watched: there are more than a node watches",
    "{count} serie non sono seguite: sono più di quante ne segue un nodo",
)
TOO_NEW = {
    False: Text(
        "it has not been measured for an hour yet: nothing can be concluded",
        "non è ancora misurato da un'ora: non si può concludere nulla",
    ),
    True: Text(
        "it has not been measured for five minutes yet: nothing can be concluded",
        "non è ancora misurato da cinque minuti: non si può concludere nulla",
    ),
}
"""By whether rows of five minutes are looked at."""
NOT_LOOKED_AT = Text(
    "{count} more were not looked at: name what is meant, or a metric",
    "altri {count} non sono stati guardati: indica quali, o una metrica",
)
NOT_MEASURED = Text(
    "nothing was measured in this time: nothing can be concluded",
    "in questo tempo non è stato misurato nulla: non si può concludere nulla",
)
FEW = Text(
    "of {count} of {all} series less than {hours} hours are known: nothing can be concluded",
    "di {count} serie su {all} si conoscono meno di {hours} ore: non si può concludere nulla",
)
YOUNG = Text(
    "of {count} of {all} series less than two days are known from before: what happens every day is not known"
    " yet, and what was found is only for information",
    "di {count} serie su {all} si conoscono meno di due giorni precedenti: non si sa ancora che cosa succede"
    " ogni giorno, e ciò che si è trovato è solo per informazione",
)
GAPS = Text(
    "{count} of {all} series have gaps of more than a fifth: what happened then is not known",
    "{count} serie su {all} hanno vuoti per più di un quinto: non si sa che cosa è successo allora",
)
