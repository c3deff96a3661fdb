// Must survive: an ES module that works with CommonJS modules through createRequire
import { createRequire } from 'node:module';
import two from './dynamic-import/two.cjs';
import { next as named } from './dynamic-import/two.cjs';
const require = createRequire(import.meta.url);
const settings = require('./modules-cycle/settings.json');
for (let turn = 0; turn < 40; turn += 1) {
  await new Promise((done) => setTimeout(done, 25));
  settings.nested.list.push(two.next());
  const again = require('./dynamic-import/two.cjs');
  console.log(turn, named(), again === two, settings.nested.list.length);
}
console.log('end', settings.nested.list.join(), require.resolve('fs'), settings.count);
