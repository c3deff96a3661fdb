// Must survive: what tags keep by their template objects, wherever the functions around their places stand
const cache = new Map();
const known = new WeakMap();
function html(strings, ...values) {
  const entry = cache.get(strings) ?? { id: cache.size, uses: 0 };
  entry.uses += 1;
  cache.set(strings, entry);
  return `${entry.id}/${entry.uses}:${strings.map((text, i) => text + (values[i] ?? '')).join('')}`;
}
const tools = {
  prefix: '>',
  text(strings, value) {
    if (!known.has(strings)) known.set(strings, { count: 0 });
    known.get(strings).count += 1;
    return `${this.prefix}${strings.raw.join('|')}${value}${known.get(strings).count}`;
  },
};
const item = (label) => html`<li class="${'a'}">${label}</li>`;
const rows = [1, 2].map((n) => (label) => html`<td>${n}${(label, label)}</td>`);
class View {
  #title = 'view';
  render(items) {
    return html`<h1>${this.#title}</h1>
      ${items.map((each) => html`<p>${each}</p>`).join('')}`;
  }
}
class Made {
  constructor(strings = []) {
    this.size = strings.length;
  }
}
const maker = () => Made;
const view = new View();
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
async function late(turn) {
  return tools.text`late\n ${await pause(6).then(() => turn)}.`;
}
export default async function run() {
  for (let turn = 0; turn < 24; turn += 1) {
    console.log(turn, item(turn), rows[turn % 2](turn));
    console.log(view.render([turn, 'x']).replace(/\s+/g, ' '), await late(turn));
    const made = new maker`only${turn}`();
    console.log(made.size, new maker`other ${turn}`(['a', 'b']) instanceof Made);
    await pause(8);
  }
  const kept = [...cache].map(([strings, { id, uses }]) => `${id}:${uses}:${strings.length}`);
  console.log('end', kept.join(), [...cache.keys()].every(Object.isFrozen));
}
await run();
