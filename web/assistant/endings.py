"""Why an answer by a model ended before it was whole, in words for its asker. Pure."""

from __future__ import annotations

from cluster.analytics.sentences import Phrasebook, Text

REASONS = Phrasebook(
    {
        "budget": Text(
            "your tokens for today are used up. Counting begins anew at midnight UTC;"
            " an administrator sets assistant.tokens_per_day.",
            "i tuoi token di oggi sono esauriti. Il conteggio riparte a mezzanotte UTC;"
            " un amministratore imposta assistant.tokens_per_day.",
        ),
        "calls": Text(
            "the model would look up more than the {calls} things that are looked up for one question."
            " Ask for less at once, or ask to go on.",
            "il modello cercherebbe più delle {calls} cose che si cercano per una domanda."
            " Chiedi meno cose insieme, o chiedi di continuare.",
        ),
        "length": Text(
            "the answer reached the length one may have. Ask for less at once, or ask to go on.",
            "la risposta ha raggiunto la lunghezza massima. Chiedi di meno, o chiedi di continuare.",
        ),
        "window": Text(
            "this has become too long for the model. Begin a new conversation, or ask for less.",
            "tutto questo è troppo lungo per il modello. Inizia una nuova conversazione, o chiedi meno.",
        ),
        "refused": Text(
            "the model declines to answer this. Ask in another way.",
            "il modello rifiuta di rispondere. Prova a chiedere in un altro modo.",
        ),
        "silent": Text(
            "the model said nothing. Ask again.",
            "il modello non ha detto nulla. Chiedi di nuovo.",
        ),
        "dropped": Text(
            "the connection to the model broke off within the answer. Ask again.",
            "la connessione al modello si è interrotta durante la risposta. Chiedi di nuovo.",
        ),
        "unreachable": Text(
            "the model cannot be reached at {host}. Look at assistant.base_url and at this host's way out,"
            " then ask again.",
            "il modello non è raggiungibile presso {host}. Controlla assistant.base_url e la connessione"
            " di questo host, poi chiedi di nuovo.",
        ),
        "slow": Text(
            "the model did not answer in time. Ask again.",
            "il modello non ha risposto in tempo. Chiedi di nuovo.",
        ),
        "busy": Text(
            "the model takes no more requests with this key at the moment. Ask again in a minute.",
            "per ora il modello non accetta altro con questa chiave. Chiedi di nuovo tra un minuto.",
        ),
        "overloaded": Text(
            "the model is overloaded. Ask again in a minute.",
            "il modello è sovraccarico. Chiedi di nuovo tra un minuto.",
        ),
        "trouble": Text(
            "the service of the model is in trouble. Ask again in a minute.",
            "il servizio del modello ha un problema. Chiedi di nuovo tra un minuto.",
        ),
        "key": Text(
            "the key in the secret {secret} is not accepted. An administrator puts a valid one with"
            " `tower secret put {secret}`, or names another secret in assistant.key_secret.",
            "la chiave nel segreto {secret} non è accettata. Un amministratore ne mette una valida con"
            " `tower secret put {secret}`, o indica un altro segreto in assistant.key_secret.",
        ),
        "billing": Text(
            "the account of the key in the secret {secret} cannot pay for requests. Look at its billing.",
            "l'account della chiave nel segreto {secret} non può pagare le richieste. Controlla i pagamenti.",
        ),
        "model": Text(
            "there is no model {model} for this key. An administrator names another in assistant.model.",
            "con questa chiave il modello {model} non esiste. Un amministratore ne indica un altro in"
            " assistant.model.",
        ),
        "request": Text(
            "the service of the model does not take the request: {said}",
            "il servizio del modello non accetta la richiesta: {said}",
        ),
        "malformed": Text(
            "what answers at {host} does not speak as the Messages API does. Look at assistant.base_url.",
            "ciò che risponde presso {host} non parla come la Messages API. Controlla assistant.base_url.",
        ),
    }
)
