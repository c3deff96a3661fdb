import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects all garbage; with an option that of young objects alone. Node.js 20 takes any option for that one. */
export type Collect = (young?: { readonly type: 'minor' }) => void;

/** The program sees nothing of it. */
export function collector(): Collect {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return collect;
}
