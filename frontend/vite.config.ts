// Builds the dashboard into one file that Home Assistant serves; the same sources give the same bytes.

import { defineConfig } from "vitest/config";

export default defineConfig({
  build: {
    target: "es2022",
    outDir: "../custom_components/microgrid/frontend",
    emptyOutDir: false,
    reportCompressedSize: false,
    modulePreload: false,
    rolldownOptions: {
      input: "src/microgrid.ts",
      output: { format: "es", entryFileNames: "microgrid.js", codeSplitting: false },
    },
  },
  test: { environment: "happy-dom", include: ["test/*.test.ts"] },
});
