import { phase } from './main.mjs';
import { history } from './counter.mjs';
export const observe = () => `${phase}:${history.at(-1)}`;
