// Must survive: template objects, which are the same object for each place in the source
const places = new Map();
function tag(strings, ...values) {
  const seen = places.get(strings) ?? { uses: 0, id: places.size };
  seen.uses += 1;
  places.set(strings, seen);
  return `${strings.raw.join('_')}|${values.join()}|${seen.id}:${seen.uses}`;
}
const first = (value) => tag`first ${value}\n`;
const second = (value) => tag`first ${value}\n`;
const make = () => (value) => tag`made ${value} ${'x'}`;
const made = [make(), make()];
class Report {
  line(value) {
    return tag`line ${value}${value}`;
  }
}
const report = new Report();
let kept;
const keep = (strings) => (kept ??= strings) === strings;
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  const text = [first(turn), second(turn), made[turn % 2](turn), report.line(turn)];
  console.log(turn, JSON.stringify(text[turn % 4]), places.size, keep`once ${turn}`);
  if (turn < 45) return;
  clearInterval(timer);
  const all = [...places].map(([strings, { id, uses }]) => [id, uses, strings.join('~')]);
  console.log('end', JSON.stringify(all), Object.isFrozen(kept), Array.isArray(kept.raw));
}, 22);
