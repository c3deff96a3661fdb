// Must survive: what esbuild makes for old engines: private members in WeakMaps, helpers for async generators
// build: esbuild es2017
import { Ledger, type Entry } from './ledger.ts';
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, 2 * ms));
async function* entries(count: number): AsyncGenerator<Entry> {
  for (let n = 1; n <= count; n += 1) {
    await pause(7);
    yield { to: 'abc'[n % 3] ?? '?', amount: n };
  }
}
const ledger = new Ledger();
async function main(): Promise<void> {
  for await (const entry of entries(36)) {
    ledger.book({ ...entry, note: ledger.last?.note ?? 'first' });
    console.log(entry.to, ledger.balance(entry.to), Ledger.isLedger(ledger));
  }
  const { a, ...rest } = ledger.all();
  console.log('end', a, JSON.stringify(rest));
}
main().catch((error: unknown) => console.log('failed', error));
