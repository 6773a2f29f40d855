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
    // The polyfill is an inline script, which the page's Content-Security-Policy forbids.
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // What every page needs, in two files: cut up by who imports what, it would be a dozen.
        advancedChunks: {
          groups: [
            { name: "libraries", test: /node_modules\/(preact|@preact|@tanstack)\// },
            {
              name: "base",
              test: /\/src\/lib\/(clock|cn|format|i18n|keys|media|theme)|\/src\/api\/(client|live|metrics|permissions|problem|queries|session)|\/src\/components\/(loaded|meter|sparkline|states|messages|page|ui\/(badge|button|link-button|section|toast-store|messages))/,
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
