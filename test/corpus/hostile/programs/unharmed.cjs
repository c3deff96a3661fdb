// Must survive: a program that was refused: no global, no listener, no port and no flag is left behind
// may refuse: crypto hash in progress
// refuses: hash
const { createHash } = require('node:crypto');
const inspector = require('node:inspector');
const { readdirSync } = require('node:fs');
const held = createHash('sha256').update('never finished');
const describe = () => {
  const keys = Reflect.ownKeys(globalThis).map(String);
  const listeners = process
    .eventNames()
    .map((name) => `${String(name)}${process.listenerCount(name)}`);
  const descriptors = readdirSync('/proc/self/fd').length;
  return JSON.stringify({
    keys,
    listeners,
    resources: process.getActiveResourcesInfo(),
    open: inspector.url() ?? 'closed',
    modules: Object.keys(require.cache).length,
    execArgv: process.execArgv,
    prepare: typeof Error.prepareStackTrace,
    limit: Error.stackTraceLimit,
    descriptors: descriptors < 60,
    natives: (() => {
      try {
        return typeof new Function('return %DebugPrint');
      } catch (error) {
        return error.name;
      }
    })(),
  });
};
let before;
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  before ??= describe();
  console.log(turn);
  if (turn < 60) return;
  const after = describe();
  console.log('end', after === before ? 'unharmed' : `${before}\n${after}`, typeof held.update);
  clearInterval(timer);
}, 40);
