import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useSyncExternalStore } from "react";
import { language, whenLanguageChanges } from "@/lib/i18n";
import { queryClient } from "./query-client";
import { router } from "./router";

export function App() {
  // Every text changes with the language, so everything is rendered anew; what is known is kept.
  const shown = useSyncExternalStore(whenLanguageChanges, language);
  return (
    <QueryClientProvider client={queryClient}>
      <RouterProvider key={shown} router={router} />
    </QueryClientProvider>
  );
}
