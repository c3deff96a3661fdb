// Must survive: URL and URLSearchParams objects, tied to each other, and iterators over parameters
const url = new URL('https://user:pw@example.org:8443/a/b?x=1&y=2&x=3#part');
const { searchParams } = url;
const own = new URLSearchParams({ list: 'a b', n: '1' });
const entries = new URLSearchParams('a=1&b=2&c=3&d=4&e=5&f=6').entries();
const relative = new URL('../c?q#z', url);
url.note = 'own property';
for (let turn = 0; turn < 45; turn += 1) {
  await new Promise((done) => setTimeout(done, 22));
  searchParams.set('turn', turn);
  if (turn % 5 === 0) searchParams.append('x', turn);
  if (turn === 20) url.hostname = 'bücher.example';
  if (turn === 30) searchParams.delete('x');
  own.sort();
  own.append(`k${turn % 3}`, '&=');
  const { value } = entries.next();
  console.log(turn, url.href, value?.join() ?? 'over');
}
console.log('end', own.toString(), relative.href, url.note, url.searchParams === searchParams);
