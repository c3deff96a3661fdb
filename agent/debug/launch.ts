import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { debugFolder } from './place.ts';
import { bootstrapSource } from './runtimeSource.ts';

/**
 * The environment in which a Node.js program loads the debug runtime by itself and waits before its first line. Other
 * programs do not notice; what was added is taken away again before the program sees it.
 * @param folder private to the process, for the module that does it
 */
export async function debuggedEnvironment(
  environment: Readonly<Record<string, string>>,
  id: string,
  folder: string,
): Promise<Record<string, string>> {
  const path = join(folder, 'debugBootstrap.cjs');
  await writeFile(path, bootstrapSource, { mode: 0o600 });
  const option = `--require "${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  const others = environment['NODE_OPTIONS'] ?? '';
  return {
    ...environment,
    NODE_OPTIONS: others === '' ? option : `${option} ${others}`,
    FLICK_DEBUG_OPTION: option,
    FLICK_DEBUG_FOLDER: debugFolder(id),
  };
}
