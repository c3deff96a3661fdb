// Must survive: CommonJS modules that require each other, with their state, their cache and their JSON
const a = require('./a.cjs');
const b = require('./b.cjs');
const settings = require('./settings.json');
const path = require('node:path');
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  settings.count += 1;
  const again = require('./a.cjs');
  if (turn === 20) require('./late.cjs').started(turn);
  console.log(turn, a.step(turn), b.name(), again === a, require('./settings.json').count);
  if (turn < 45) return;
  clearInterval(timer);
  const loaded = Object.keys(require.cache).map((file) => path.basename(file));
  console.log('end', loaded.join(), require.main === module, module.children.length, module.loaded);
  console.log(
    JSON.stringify(a.seen),
    b.early(),
    path.basename(__filename),
    require('./late.cjs').when,
  );
  process.exitCode = settings.status;
}, 22);
