// Must survive: data listeners of the standard input, with half a line kept
// input: one;two words;three;;quit later;six;seven;eight;nine;ten;eleven;twelve;end
let partial = '';
const lines = [];
process.stdin.setEncoding('utf8');
process.stdin.on('data', (chunk) => {
  partial += chunk;
  for (let end = partial.indexOf('\n'); end >= 0; end = partial.indexOf('\n')) {
    const line = partial.slice(0, end);
    partial = partial.slice(end + 1);
    lines.push(line);
    console.log('got', lines.length, JSON.stringify(line));
    if (line === 'end') {
      process.stdin.destroy();
      console.log('end', lines.join('|'));
      process.exitCode = lines.length;
    } else {
      setTimeout(() => console.log('?', lines.length + 1), 25);
    }
  }
});
console.log('? 1');
