// Must survive: a readline interface that waits for the answer to a question
// input: Ann;42;blue;yes;no;maybe;yes;no;later;never;done
const readline = require('node:readline');
const lines = readline.createInterface({
  input: process.stdin,
  output: process.stdout,
  terminal: false,
});
const answers = new Map();
let asked = 0;
const ask = (question) =>
  new Promise((answer) => {
    asked += 1;
    process.stdout.write(`? ${asked} ${question}\n`);
    lines.question('', answer);
  });
lines.on('close', () => console.log('closed'));
(async () => {
  answers.set('name', await ask('name'));
  answers.set('age', Number(await ask('age')));
  for (;;) {
    const answer = await ask(`more, ${answers.get('name')}`);
    if (answer === 'done') break;
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
    await new Promise((done) => setTimeout(done, 90));
    console.log('noted', answer, answers.get(answer));
  }
  lines.close();
  console.log('end', JSON.stringify([...answers]));
  process.exitCode = 4;
})();
