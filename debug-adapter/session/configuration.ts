import * as v from 'valibot';

const text = v.string('a text is expected');
const texts = v.array(text, 'a list of texts is expected');
const flag = v.boolean('true or false is expected');

const common = {
  device: v.exactOptional(text),
  sourceMaps: v.optional(flag, true),
  outFiles: v.exactOptional(texts),
  skipFiles: v.optional(texts, ['<node_internals>/**']),
  smartStep: v.optional(flag, true),
  localRoot: v.exactOptional(text),
  remoteRoot: v.exactOptional(text),
  /** How long the process stays as it is after the debugger has vanished without a word, in seconds. */
  keepStoppedFor: v.optional(v.pipe(v.number('a number is expected'), v.minValue(0)), 300),
  workspaceFolders: v.exactOptional(texts),
  /** Where what the program prints through `console` appears, besides its own terminal. */
  console: v.optional(
    v.picklist(['debugConsole', 'terminal'], '“debugConsole” or “terminal” is expected'),
    'debugConsole',
  ),
};

export const launchConfiguration = v.looseObject({
  ...common,
  program: text,
  args: v.optional(texts, []),
  cwd: v.exactOptional(text),
  env: v.optional(v.record(text, text), {}),
  runtimeExecutable: v.optional(text, 'node'),
  runtimeArgs: v.optional(texts, []),
  /** Name of the managed process; `name` is that of the configuration. */
  processName: v.exactOptional(text),
  stopOnEntry: v.optional(flag, false),
});
export type LaunchConfiguration = v.InferOutput<typeof launchConfiguration>;

export const attachConfiguration = v.looseObject({
  ...common,
  /** Name or id of the managed process. */
  process: text,
  /** Which Node.js process of the tree, by the number that it has itself; by default the first. */
  pid: v.exactOptional(v.pipe(v.number('a number is expected'), v.integer(), v.minValue(1))),
});
export type AttachConfiguration = v.InferOutput<typeof attachConfiguration>;

export type Configuration =
  | ({ readonly kind: 'launch' } & LaunchConfiguration)
  | ({ readonly kind: 'attach' } & AttachConfiguration);
