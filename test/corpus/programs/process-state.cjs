// Must survive: working directory, environment, arguments, title and umask of the process
const { mkdirSync, readdirSync, writeFileSync } = require('node:fs');
const { basename } = require('node:path');
mkdirSync('inner', { recursive: true });
process.env.CORPUS_MADE = 'here';
process.env.CORPUS_COUNT = 0;
delete process.env.HOME;
process.argv.push('--added');
process.title = 'corpus-title';
process.umask(0o027);
process.setMaxListeners(33);
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  if (turn === 12) process.chdir('inner');
  if (turn === 32) process.chdir('..');
  process.env.CORPUS_COUNT = Number(process.env.CORPUS_COUNT) + turn;
  if (turn % 10 === 5) writeFileSync(`f${turn}`, String(turn));
  console.log(
    turn,
    basename(process.cwd()) === 'inner',
    process.env.CORPUS_COUNT,
    'HOME' in process.env,
  );
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', readdirSync('.').join(), readdirSync('inner').join(), process.env.CORPUS_MADE);
  console.log(basename(process.argv[1]), process.argv.slice(2).join(), process.title);
  console.log(process.umask().toString(8), process.getMaxListeners(), process.env.CORPUS_GIVEN);
}, 22);
