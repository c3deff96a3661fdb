// Must survive: an ESM bundle with top-level await, enums and namespaces turned to code
// build: esbuild esm
import { basename } from 'node:path';
import { colours, type Colour } from './colours.ts';
const seen: Partial<Record<Colour, number>> = {};
const queue = [...colours, ...colours].map((colour, index) => async () => {
  await new Promise((done) => setTimeout(done, 22));
  seen[colour] = (seen[colour] ?? 0) + index;
  return basename(`/x/${colour}`);
});
for (const [index, work] of [...queue, ...queue, ...queue].entries()) {
  console.log(index, await work(), JSON.stringify(seen));
}
export const result = Object.values(seen).reduce((sum, n) => sum + n, 0);
console.log('end', result);
