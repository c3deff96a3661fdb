import type { DebugProtocol } from '@vscode/debugprotocol';
import * as v from 'valibot';
import type { DebugTarget } from './debugTarget.ts';
import { count, frameArguments, takes, text, type RequestTable } from './requests.ts';

const format = v.exactOptional(v.looseObject({ hex: v.exactOptional(v.boolean()) }));

const variablesArguments = v.looseObject({
  variablesReference: count,
  filter: v.exactOptional(v.picklist(['indexed', 'named'])),
  start: v.exactOptional(count),
  count: v.exactOptional(count),
  format,
});
const setVariableArguments = v.looseObject({
  variablesReference: count,
  name: text,
  value: text,
  format,
});
const setExpressionArguments = v.looseObject({
  expression: text,
  value: text,
  frameId: v.exactOptional(count),
  format,
});
const offset = v.pipe(v.number('a number is expected'), v.integer());
const readMemoryArguments = v.looseObject({
  memoryReference: text,
  offset: v.exactOptional(offset),
  count,
});
const writeMemoryArguments = v.looseObject({
  memoryReference: text,
  offset: v.exactOptional(offset),
  allowPartial: v.exactOptional(v.boolean()),
  data: text,
});

export function variableRequests(target: () => DebugTarget): RequestTable {
  return {
    scopes: takes(frameArguments, ({ frameId }) => {
      const { threads, store } = target();
      const frame = threads.frames.get(frameId);
      return { scopes: frame.kind === 'live' ? store.scopes(frame) : [] };
    }),
    variables: takes(variablesArguments, async (args, { signal }) => ({
      variables: await target().store.variables(args, signal),
    })),
    setVariable: takes(setVariableArguments, async (args, { signal }) =>
      target().store.setVariable(args, signal),
    ),
    setExpression: takes(setExpressionArguments, async (args, { signal }) => {
      const { threads, store } = target();
      const frame = args.frameId === undefined ? undefined : threads.frames.live(args.frameId);
      const thread = frame?.stop.thread ?? threads.main.cdp;
      return await store.setExpression(frame, thread, args, signal);
    }),
    readMemory: takes(readMemoryArguments, (args, { signal }) =>
      target().store.readMemory(args, signal),
    ),
    writeMemory: takes(writeMemoryArguments, async (args, { signal }) => {
      const { store, editor } = target();
      const written = await store.writeMemory(args, signal);
      editor.emit('memory', {
        memoryReference: args.memoryReference,
        offset: args.offset ?? 0,
        count: Buffer.from(args.data, 'base64').length,
      } satisfies DebugProtocol.MemoryEvent['body']);
      return written;
    }),
  };
}
