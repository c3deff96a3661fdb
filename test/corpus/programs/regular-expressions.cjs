// Must survive: regular expressions with lastIndex, flags, matches and iterators over matches in progress
const text = 'one1 two22 three333 four4444 five55555 ';
const global = /([a-z]+)(\d+)/g;
const sticky = /\w+\s/y;
const named = /(?<word>[a-z]+)(?<digits>\d+)?/u;
const indices = /(\d)(\d+)/d;
const made = new RegExp('[/\\]]+', 'gi');
made.extra = 'own';
const all = text.repeat(3).matchAll(/[a-z](?=\d)/g);
let kept = named.exec('start9');
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const match = global.exec(text);
  const stuck = sticky.test(text);
  if (turn % 11 === 0) kept = named.exec(text.slice(turn % 30));
  const next = all.next();
  console.log(turn, match?.[0] ?? '-', global.lastIndex, stuck, sticky.lastIndex, kept.groups.word);
  console.log(next.done ? 'no more' : `${next.value[0]}@${next.value.index}`);
  if (turn < 40) return;
  clearInterval(timer);
  console.log('end', String(made), made.extra, made.flags, 'a/]/b'.replace(made, '-'), kept.index);
  console.log(JSON.stringify(indices.exec('x123').indices), global.source);
}, 22);
