// Runs before the first paint, so that a chosen theme never flashes. A file of its own: the page's
// Content-Security-Policy allows no inline script.
try {
  const theme = localStorage.getItem("tower.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is blocked: the system's preference holds.
}
