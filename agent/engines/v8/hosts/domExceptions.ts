import type { Adapter } from './adapter.ts';

type DOMExceptionClass = typeof DOMException;

/** What `AbortSignal` and others give as their reason. Node.js keeps its name and message in a map of its own. */
export const domExceptions: Adapter = {
  host: 'domException',
  prototypes(internals) {
    // The program may have put something else in the place of the global.
    const { lazyDOMExceptionClass } = internals.require('internal/util') as {
      lazyDOMExceptionClass: () => DOMExceptionClass;
    };
    return [lazyDOMExceptionClass().prototype];
  },
  record(graph, object) {
    const { message, name } = object as DOMException;
    const state = { message, name };
    return graph.finish({ k: 'host', host: 'domException', state }, object);
  },
  shell: (world, record) =>
    world.construct(record, DOMException, [record.state['message'], record.state['name']]),
};
