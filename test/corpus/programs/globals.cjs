// Must survive: globals added, replaced and removed, and builtins to which the program added something
globalThis.settings = { level: 1 };
const originalParse = JSON.parse;
let parses = 0;
JSON.parse = function parse(text, ...rest) {
  parses += 1;
  return originalParse(text, ...rest);
};
Math.triple = (x) => x * 3;
console.note = (...words) => console.log('note:', ...words);
delete globalThis.escape;
globalThis.structuredClone = (value) => ({ clonedBy: 'program', value });
process.mine = new Map([['k', 'v']]);
Object.defineProperty(globalThis, 'hiddenGlobal', { value: [], configurable: true });
const { EOL } = require('node:os');
require('node:path').corpusMark = 'marked';
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  settings.level += Math.triple(turn);
  hiddenGlobal.push(turn);
  const parsed = JSON.parse(`{"turn":${turn}}`);
  console.note(parsed.turn, settings.level, parses, structuredClone(turn).clonedBy, typeof escape);
  if (turn === 25) Math.triple = (x) => x * -3;
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', hiddenGlobal.length, process.mine.get('k'), JSON.stringify(EOL));
  console.log(require('path').corpusMark, Object.keys(globalThis).includes('settings'));
}, 22);
