import two from './two.cjs';
import { next as one } from './one.mjs';
export const next = () => two.next() * 1000 + one();
