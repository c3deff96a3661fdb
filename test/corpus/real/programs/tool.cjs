// Must survive: an interactive tool with Commander and readline that waits for input in the middle
// input: add milk 2;add bread 1;list;add eggs 12;done bread;undo;done milk;list;frob;add tea 3;list --done;quit
const { Command } = require('commander');
const readline = require('node:readline');
const items = [];
const history = [];
const program = new Command('tool').exitOverride().configureOutput({
  writeErr: (text) => console.log('error:', text.trim()),
});
program
  .command('add')
  .argument('<name>')
  .argument('[count]', 'how many', Number, 1)
  .action((name, count) => {
    items.push({ name, count, done: false });
    history.push(() => items.pop());
  });
program.command('done <name>').action((name) => {
  const item = items.find((one) => one.name === name);
  item.done = true;
  history.push(() => (item.done = false));
});
program.command('undo').action(() => history.pop()?.());
program
  .command('list')
  .option('--done', 'only what is done')
  .action(({ done }) => {
    const shown = items.filter((item) => !done || item.done);
    console.log(shown.map(({ name, count }) => `${name}*${count}`).join() || 'nothing');
  });
const lines = readline.createInterface({ input: process.stdin });
let answered = 0;
const ask = () => console.log(`? ${(answered += 1)}`);
lines.on('line', async (line) => {
  if (line === 'quit') {
    process.stdin.destroy();
    console.log('end', JSON.stringify(items), history.length);
    process.exitCode = answered;
    return;
  }
  try {
    await program.parseAsync(line.split(' '), { from: 'user' });
  } catch ({ code }) {
    console.log('code', code);
  }
  setTimeout(ask, 20);
});
ask();
