// Must survive: Intl objects with their options
const number = new Intl.NumberFormat('de-DE', { style: 'currency', currency: 'EUR' });
const date = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', dateStyle: 'medium' });
const plural = new Intl.PluralRules('en', { type: 'ordinal' });
const collator = new Intl.Collator('sv', { sensitivity: 'base', numeric: true });
const list = new Intl.ListFormat('en', { type: 'disjunction' });
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const segmenter = new Intl.Segmenter('en', { granularity: 'word' });
const format = number.format;
const compare = collator.compare;
const words = [];
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  words.push(['z10', 'å2', 'a1', 'z9'][turn % 4]);
  words.sort(compare);
  const parts = [...segmenter.segment(`turn ${turn} on`)].filter(({ isWordLike }) => isWordLike);
  console.log(
    turn,
    format(turn * 1234.5).replace(/\s/g, '_'),
    date.format(turn * 864e5 * 31),
    plural.select(turn),
    relative.format(turn % 3, 'day'),
    parts.length,
    words.at(-1),
  );
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', list.format(words.slice(0, 3)), number.resolvedOptions().currency);
  console.log(words.join(), collator.resolvedOptions().numeric);
}, 25);
