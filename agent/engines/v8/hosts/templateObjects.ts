import type { Value } from '../capsule/format.ts';
import type { Adapter } from './adapter.ts';

/**
 * What a tag is called with: one object for each place of the program (`capture/templateObjects.ts`). It has no place
 * when no text of the program has one any more; another program may have made it.
 */
export const templateObjects: Adapter = {
  host: 'template',
  shell(world, { state }) {
    if (state['of'] !== undefined) {
      return (world.value(state['of'] as Value) as { raw: object }).raw;
    }
    const { script, at } = state;
    if (typeof script === 'number' && typeof at === 'number') {
      return world.code.templateAt(script, at);
    }
    const [strings = [], raw = []] = [state['strings'], state['raw']].map((list) =>
      ((list ?? []) as Value[]).map((each) => world.value(each)),
    );
    Object.defineProperty(strings, 'raw', { value: Object.freeze(raw) });
    return Object.freeze(strings);
  },
};
