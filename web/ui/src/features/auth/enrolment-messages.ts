import { defineMessages } from "@/lib/i18n";

export const messages = defineMessages({
  en: {
    scan: "Scan this with the authenticator app",
    qr: "QR code with the secret for the authenticator app",
    orType: "Or enter this secret there:",
    secret: "Secret",
    openApp: "Open the authenticator app on this device",
    recoveryTitle: "Keep your recovery codes",
    recoveryNote:
      "Each works once, instead of a code, on the day the authenticator is lost. They are not shown again.",
    copyAll: "Copy all",
    download: "Download",
    kept: "I have kept them somewhere safe",
    goOn: "Go on",
    fileHead: "Control Tower recovery codes. Each works once.",
  },
  it: {
    scan: "Inquadrare con l’app di autenticazione",
    qr: "Codice QR con il segreto per l’app di autenticazione",
    orType: "Oppure inserire là questo segreto:",
    secret: "Segreto",
    openApp: "Apri l’app di autenticazione su questo dispositivo",
    recoveryTitle: "Conservare i codici di recupero",
    recoveryNote:
      "Ognuno funziona una volta, al posto di un codice, il giorno in cui l’app va persa. Non vengono più mostrati.",
    copyAll: "Copia tutti",
    download: "Scarica",
    kept: "Sono conservati in un posto sicuro",
    goOn: "Continua",
    fileHead: "Codici di recupero di Control Tower. Ognuno funziona una volta sola.",
  },
});
