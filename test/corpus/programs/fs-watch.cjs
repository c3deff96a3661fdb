// Must survive: watchers of a file and of a folder
const fs = require('node:fs');
fs.mkdirSync('watched');
fs.writeFileSync('watched/one', '0');
const seen = new Set();
const watcher = fs.watch('watched', (event, name) => seen.add(name));
const polled = [];
fs.watchFile('watched/one', { interval: 15 }, (now, before) => polled.push(now.size > before.size));
let turn = 0;
function next() {
  turn += 1;
  const name = `file${turn}`;
  fs.writeFileSync(`watched/${name}`, name);
  fs.appendFileSync('watched/one', '.');
  waitFor(
    () => seen.has(name),
    () => {
      console.log(turn, 'seen');
      if (turn < 30) return void setTimeout(next, 30);
      waitFor(
        () => polled.length > 0,
        () => {
          watcher.close();
          fs.unwatchFile('watched/one');
          console.log('end', fs.readdirSync('watched').length, polled[0]);
        },
      );
    },
  );
}
// The event of a file that was written right before a move is lost, as after any restart of a
// watcher: writing it again makes another one.
function waitFor(test, then, tries = 0) {
  if (test()) return then();
  if (tries % 40 === 39) fs.writeFileSync(`watched/file${turn}`, `again ${tries}`);
  setTimeout(waitFor, 5, test, then, tries + 1);
}
next();
