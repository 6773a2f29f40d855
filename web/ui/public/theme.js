// Runs before the first paint, so that a chosen theme never flashes and a reader hears the right language. A file of
// its own: the page's Content-Security-Policy allows no inline script.
try {
  const theme = localStorage.getItem("tower.theme");
  const language = localStorage.getItem("tower.language") ?? navigator.language.slice(0, 2).toLowerCase();
  if (language === "it") document.documentElement.lang = language;
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is blocked: the system's preference holds.
}
