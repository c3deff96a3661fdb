// Must survive: an RxJS pipeline on timers: windows, shared subjects, retries and unfinished subscriptions
const rx = require('rxjs');
const clicks = new rx.Subject();
const state = new rx.BehaviorSubject({ sum: 0, words: [] });
const replayed = new rx.ReplaySubject(3);
let failures = 0;
const ticks = rx.interval(9).pipe(rx.take(45), rx.share());
ticks.subscribe((n) => {
  clicks.next(n);
  replayed.next(n * n);
});
clicks
  .pipe(
    rx.filter((n) => n % 2 === 0),
    rx.scan(({ sum }, n) => ({ sum: sum + n, words: [n] }), { sum: 0 }),
    rx.tap(state),
  )
  .subscribe();
const grouped = clicks.pipe(
  rx.groupBy((n) => n % 3),
  rx.mergeMap((group) =>
    group.pipe(
      rx.bufferCount(4),
      rx.map((list) => [group.key, list.join('+')]),
    ),
  ),
);
grouped.subscribe(([key, list]) => console.log('group', key, list));
const flaky = rx.defer(() => {
  failures += 1;
  return failures % 3 === 0
    ? rx.timer(5).pipe(rx.map(() => failures))
    : rx.throwError(() => new Error('flaky'));
});
const results = [];
clicks
  .pipe(
    rx.filter((n) => n % 9 === 0),
    rx.concatMap(() => flaky.pipe(rx.retry(4))),
  )
  .subscribe((value) => results.push(value));
const windows = clicks.pipe(rx.pairwise(), rx.withLatestFrom(state));
windows.subscribe(([[before, after], { sum }]) => console.log(before, after, sum));
rx.lastValueFrom(ticks).then(async (last) => {
  await new Promise((done) => setTimeout(done, 60));
  const late = [];
  replayed.subscribe((value) => late.push(value));
  console.log('end', last, results.join(), late.join(), state.value.sum, failures);
});
