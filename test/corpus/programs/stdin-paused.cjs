// Must survive: a standard input that is read by read() and paused in between
// input: alpha;beta;gamma;delta;epsilon;zeta;eta;theta;iota;kappa;stop
let text = '';
let asked = 0;
process.stdin.on('readable', () => {
  for (let chunk = process.stdin.read(); chunk !== null; chunk = process.stdin.read())
    text += chunk;
  if (!text.endsWith('\n')) return;
  const words = text.trim().split('\n');
  console.log('words', words.length, words.at(-1));
  if (words.at(-1) === 'stop') {
    process.stdin.destroy();
    console.log('end', words.join());
    return;
  }
  setTimeout(ask, 30);
});
function ask() {
  asked += 1;
  console.log('?', asked);
}
ask();
