// The program that is moved: it knows nothing of Flick. Its state are a closure, a private field and a function that
// has not come to its end. Each line that is typed is noted; `?` lists the notes.
class Notebook {
  #notes = new Map();
  write(note) {
    this.#notes.set(this.#notes.size + 1, note);
    return `noted as ${this.#notes.size}: ${note}`;
  }
  get all() {
    return [...this.#notes].map(([number, note]) => `${number} ${note}`).join(', ');
  }
}
const notebook = new Notebook();
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text) => {
  for (const note of text.split(/\r?\n/).filter((line) => line !== '')) {
    console.log(note === '?' ? `all notes: ${notebook.all}` : notebook.write(note));
  }
});

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function count() {
  for (let line = 1; ; line += 1) {
    console.log(`line ${line} of process ${process.pid}`);
    await sleep(250);
  }
}
void count();
