// Must survive: nothing moves while a child process runs; it is refused and goes on
// may refuse: child_process
// refuses: child
const { spawn } = require('node:child_process');
const child = spawn(process.execPath, ['-e', 'process.stdin.pipe(process.stdout)']);
let n = 0;
child.stdout.setEncoding('utf8').on('data', (text) => {
  console.log('echo', text.trim());
  n += 1;
  if (n === 70) child.stdin.end();
  else setTimeout(() => child.stdin.write(`${n}\n`), 25);
});
child.on('close', (code) => console.log('end', code, n));
child.stdin.write('first\n');
