// Builds the pages into the package that serves them: src/civicam/web/page.

import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
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

// The page that lies in each export is one file: it opens from a disk, and a rule in it lets no network in.
const verifier = fileURLToPath(new URL("../src/civicam/evidence/page", import.meta.url));
await mkdir(verifier, { recursive: true });
const page = await build({
  entryPoints: [`${here}src/verifier/page.tsx`],
  outdir: verifier,
  bundle: true,
  format: "iife",
  target: "es2023",
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: true,
  write: false,
  legalComments: "none",
});
const [script, style] = [".js", ".css"].map((end) => page.outputFiles.find((file) => file.path.endsWith(end)).text);
const rule = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const source = script.replaceAll("</script", "<\\/script");
const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src ${rule(source)}; style-src ${rule(style)}; media-src blob:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>civicam</title>
<style>${style}</style>
</head>
<body><script>${source}</script></body>
</html>
`;
await writeFile(`${verifier}/verify.html`, html);
