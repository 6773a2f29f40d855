import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import { defineConfig } from "vitest/config";
import { firstLoad } from "./build/first-load.ts";

// `npm run dev` passes the API on to an agent: TOWER_URL=https://host:7443 npm run dev
const agent = process.env.TOWER_URL ?? "https://localhost:7443";

export default defineConfig({
  plugins: [tailwindcss(), firstLoad({ limitBytes: 100_000 })],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    // Two kilobytes more at first, and no chart or terminal that comes without its looks when one file fails.
    cssCodeSplit: false,
    // The polyfill is an inline script, which the page's Content-Security-Policy forbids.
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // Cut up by who imports what, each page would be a dozen requests: what every page needs is two files, and the
        // small things that pages share are one.
        codeSplitting: {
          groups: [
            { name: "libraries", test: /node_modules/, tags: ["$initial"], priority: 3 },
            { name: "base", tags: ["$initial"], priority: 2 },
            {
              name: "shared",
              test: /\/src\/(lib|api|components(?!\/ui))\/|lucide-react/,
              minShareCount: 2,
              maxModuleSize: 4_000,
              // What they import may be large, and stays where it is.
              includeDependenciesRecursively: false,
              priority: 1,
            },
          ],
        },
      },
      // "use client" marks modules for servers that render React; here all of it runs in the browser.
      onLog: (level, log, next) => log.code !== "MODULE_LEVEL_DIRECTIVE" && next(level, log),
    },
  },
  server: {
    proxy: { "/api": { target: agent, changeOrigin: true, secure: false, ws: true } },
  },
  test: {
    environment: "node",
    // Cheaper to start than processes. The files of one thread share what they import, and it is most of the work.
    pool: "threads",
    isolate: false,
    include: ["src/**/*.test.{ts,tsx}"],
    restoreMocks: true,
  },
});
