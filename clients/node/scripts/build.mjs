// Compiles src/ to dist/: CommonJS with types, and for each entry an ES module that hands out the same objects. One copy of
// each class serves both, so `instanceof` holds however a program loads the package.
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);

rmSync(`${root}dist`, { recursive: true, force: true });
const tsc = `${root}node_modules/typescript/bin/tsc`;
execFileSync(process.execPath, [tsc, "--project", `${root}tsconfig.json`], { stdio: "inherit" });

const { exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
for (const entry of Object.values(exports)) {
  const name = entry.import?.default.slice("./dist/".length, -".mjs".length);
  if (!name) continue;
  const names = Object.keys(require(`${root}dist/${name}.js`)).sort();
  writeFileSync(
    `${root}dist/${name}.mjs`,
    `import entry from "./${name}.js";\nexport const { ${names.join(", ")} } = entry;\n`,
  );
  writeFileSync(`${root}dist/${name}.d.mts`, `export * from "./${name}.js";\n`);
}
