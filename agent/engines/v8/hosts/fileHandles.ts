import type { EventEmitter } from 'node:events';
import type { NodeInternals } from '../capture/internals.ts';
import { describeHost, hiddenValue, setHiddenValue, type Adapter } from './adapter.ts';
import { addedListeners, addListeners } from './listeners.ts';
import { loadedInternal, needInternal, type Maker } from './loaded.ts';

const module = 'internal/fs/promises';
type NativeMaker = new (number: number) => object;

/** What Node.js keeps under symbols on a handle. */
const hidden = ['kHandle', 'kFd', 'kRefs', 'kClosePromise', 'kCloseReason', 'kLocked'];
const closing = ['kCloseResolve', 'kCloseReject'];

function makerIn(internals: NodeInternals): Maker | undefined {
  return loadedInternal(internals, module)?.['FileHandle'] as Maker | undefined;
}

/** What `fs.promises.open` gives. Its file is opened again under the same number (reopenedFiles.ts). */
export const fileHandles: Adapter = {
  host: 'fileHandle',
  prototypes: (internals) => [makerIn(internals)?.prototype as object | undefined],
  record(graph, object) {
    const maker = makerIn(graph.internals) as unknown as new () => EventEmitter;
    if ((hiddenValue(object, 'kClosePromise') ?? null) !== null) {
      throw graph.refuse('a file handle that is being closed', { passing: true });
    }
    if (hiddenValue(object, 'kLocked') === true) {
      throw graph.refuse('a file handle with a web stream, which cannot be carried');
    }
    const fresh = new maker();
    return describeHost(
      graph,
      object,
      {
        k: 'host',
        host: 'fileHandle',
        state: {
          number: hiddenValue(object, 'kFd') as number,
          users: hiddenValue(object, 'kRefs') as number,
          listeners: addedListeners(graph, object as EventEmitter, fresh),
        },
      },
      fresh,
      [...hidden, ...closing],
    );
  },
  shell: (world, record) => world.construct(record, needInternal(module)?.['FileHandle'], []),
  start(world, object, { state }, internals) {
    const { number, users } = state;
    if (number !== -1) {
      const native = internals.binding('fs')['FileHandle'] as unknown as NativeMaker;
      setHiddenValue(object, 'kHandle', new native(number as number));
      setHiddenValue(object, 'kFd', number);
    }
    setHiddenValue(object, 'kRefs', users);
    addListeners(world, object as EventEmitter, state['listeners']);
  },
};
