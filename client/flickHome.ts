import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** The folder that holds configuration and state of this user: `FLICK_HOME`, else `~/.flick`. Absolute. */
export function flickHome(environment: NodeJS.ProcessEnv = process.env): string {
  const chosen = environment['FLICK_HOME'];
  return chosen === undefined || chosen === '' ? join(homedir(), '.flick') : resolve(chosen);
}
