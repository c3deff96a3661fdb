// Must survive: nothing moves that has loaded a native addon; it is refused and goes on
// may refuse: native addon
// refuses: native|addon|\.node
const { createRequire } = require('node:module');
const { readdirSync } = require('node:fs');
const path = require('node:path');
const folder = path.join(
  path.dirname(createRequire(__filename).resolve('node-pty/package.json')),
  `prebuilds/${process.platform}-${process.arch}`,
);
const file = readdirSync(folder).find((name) => name.endsWith('.node'));
const addon = require(path.join(folder, file));
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  console.log(turn, Object.keys(addon).length > 0);
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end');
}, 10);
