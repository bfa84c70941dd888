// Builds the pages into the package that serves them: src/civicam/web/page.

import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = fileURLToPath(new URL("../src/civicam/web/page", import.meta.url));

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const built = await build({
  // The player of live views is a file of its own, too: other pages of the same city, and the benchmarks, use it.
  entryPoints: { room: `${here}src/main.tsx`, live: `${here}src/player/live.ts` },
  outdir: out,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2023",
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: true,
  chunkNames: "[name]-[hash]",
  metafile: true,
  write: false,
  legalComments: "none",
  loader: { ".png": "empty" },
});
for (const file of built.outputFiles) await writeFile(file.path, file.contents);
for (const name of ["index.html", "icon.svg"]) await cp(`${here}static/${name}`, `${out}/${name}`);

const sizes = Object.fromEntries(built.outputFiles.map((file) => [file.path.slice(out.length + 1), gzipSync(file.contents).length]));
if (process.argv.includes("--sizes")) console.log(JSON.stringify(sizes, null, 1));
