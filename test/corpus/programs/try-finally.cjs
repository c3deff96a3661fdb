// Must survive: an async function suspended in try, catch and finally, with what is to happen after it
const pause = (ms, value) => new Promise((done) => setTimeout(done, 2 * ms, value));
const fail = (ms, text) =>
  new Promise((_, reject) => setTimeout(() => reject(new Error(text)), ms));
const log = [];
const say = (...words) => {
  log.push(words.join(' '));
  console.log(...words);
};
async function attempt(kind) {
  try {
    say(kind, 'try', await pause(4, 'in'));
    if (kind === 'return') return await pause(4, 'returned');
    if (kind === 'throw') throw new RangeError(`thrown in ${kind}`);
    if (kind === 'reject') await fail(4, 'rejected');
    for (const n of [1, 2, 3]) {
      try {
        await pause(3);
        if (kind === 'continue' && n === 1) continue;
        if (kind === 'break' && n === 2) break;
        say(kind, n);
      } finally {
        await pause(3);
        say(kind, 'inner finally', n);
      }
    }
  } catch (error) {
    const name = await pause(4, error.name);
    say(kind, 'caught', name, error.message);
    if (kind === 'reject') throw new TypeError('again', { cause: error });
  } finally {
    await pause(4);
    say(kind, 'finally');
    if (kind === 'override') return 'overridden';
  }
  return 'fell through';
}
async function main() {
  for (let round = 0; round < 3; round += 1) {
    for (const kind of ['return', 'throw', 'reject', 'continue', 'break', 'override', 'plain']) {
      try {
        say(round, kind, 'gave', await attempt(kind));
      } catch ({ name, message, cause }) {
        say(round, kind, 'failed', name, message, cause.message);
      }
    }
  }
}
main().finally(() => {
  console.log('end', log.length, log.join().length);
  process.exitCode = 9;
});
