import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import * as v from 'valibot';

/** What a person most likely wants to run in a folder. */
export interface EntryPoint {
  readonly program: string;
  readonly args: readonly string[];
}

const manifest = v.object({
  main: v.optional(v.string()),
  scripts: v.optional(v.object({ start: v.optional(v.string()) })),
});

/** Largest package.json that is looked at, in characters. */
const maxManifest = 1 << 20;

/**
 * The program that a folder's package.json names: the file that its `start` script runs with node, else `main`.
 * @returns undefined without a package.json that names one
 */
export async function entryPointOf(folder: string): Promise<EntryPoint | undefined> {
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => undefined);
  if (text === undefined || text.length > maxManifest) return undefined;
  const parsed = v.safeParse(manifest, parseJson(text));
  if (!parsed.success) return undefined;
  const { main, scripts } = parsed.output;
  const started = scripts?.start === undefined ? undefined : nodeCommand(scripts.start);
  const found = started ?? (main === undefined ? undefined : { program: main, args: [] });
  if (found === undefined) return undefined;
  const program = isAbsolute(found.program) ? found.program : join(folder, found.program);
  return { program, args: found.args };
}

/** `node file arguments`, without options of Node.js and without anything a shell would have to understand. */
function nodeCommand(script: string): EntryPoint | undefined {
  const match = /^\s*node\s+([\w./@-]+)((?:\s+[\w./@:=,-]+)*)\s*$/.exec(script);
  const [, program, rest = ''] = match ?? [];
  if (program === undefined || program.startsWith('-')) return undefined;
  return { program, args: rest.split(/\s+/).filter((word) => word !== '') };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
