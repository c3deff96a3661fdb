export { count as total, Shape as Form } from './counter.mjs';
export * from './counter.mjs';
export * as inner from './counter.mjs';
