import type { Value } from '../capsule/format.ts';
import type { Adapter } from './adapter.ts';

/**
 * What a tag is called with: one object for each place of the program (`capture/templateObjects.ts`). It has no place
 * when no text of the program has one any more; another program may have made it.
 */
export const templateObjects: Adapter = {
  host: 'template',
  shell(world, { state }, id) {
    if (state['of'] !== undefined) {
      return (world.value(state['of'] as Value) as { raw: object }).raw;
    }
    const places = (world.capsule.roots.hosts['templates']?.['places'] ?? []) as number[];
    for (let index = 0; index < places.length; index += 3) {
      const [of, script = 0, start = 0] = places.slice(index, index + 3);
      if (of === id) return world.code.templateAt(script, start);
    }
    const [strings = [], raw = []] = [state['strings'], state['raw']].map((list) =>
      ((list ?? []) as Value[]).map((each) => world.value(each)),
    );
    Object.defineProperty(strings, 'raw', { value: Object.freeze(raw) });
    return Object.freeze(strings);
  },
};
