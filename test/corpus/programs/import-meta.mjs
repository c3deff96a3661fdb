// Must survive: import.meta of a module, its url, resolve and what the program put onto it
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import.meta.own = { uses: 0 };
const here = () => basename(fileURLToPath(import.meta.url));
const meta = import.meta;
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  import.meta.own.uses += 1;
  const names = [here(), basename(import.meta.filename), basename(import.meta.dirname)];
  console.log(turn, names.join(), meta === import.meta, meta.own.uses);
  if (turn < 45) return;
  clearInterval(timer);
  const resolved = import.meta.resolve('./esm-cycle/main.mjs');
  console.log('end', basename(dirname(fileURLToPath(resolved))), import.meta.resolve('node:fs'));
}, 22);
