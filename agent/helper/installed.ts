import { access, lstat } from 'node:fs/promises';
import { run } from '../device/run.ts';

/** Where `flick device setup` puts the helper: files and folder belong to root, and only root may write them. */
export const helperFolder = '/usr/local/lib/flick';
export const helperNode = `${helperFolder}/node`;
export const helperAgent = `${helperFolder}/agent.cjs`;

/** Whether the helper is installed and sudo lets this user run it without asking. Root needs none. */
export async function helperUsable(): Promise<boolean> {
  if (process.getuid?.() === 0) return true;
  const present = await Promise.all(
    [helperNode, helperAgent].map((path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  if (present.includes(false)) return false;
  const { code } = await run(['sudo', '-n', helperNode, helperAgent, 'helper-check'], {
    timeoutMs: 10_000,
  });
  return code === 0;
}

/** True when nobody but root can change what is at the path, its folders included. */
export async function onlyRootWrites(path: string): Promise<boolean> {
  const parts = path.split('/').filter((part) => part !== '');
  for (let count = 0; count <= parts.length; count += 1) {
    const status = await lstat(`/${parts.slice(0, count).join('/')}`).catch(() => undefined);
    if (status === undefined || status.uid !== 0) return false;
    if (!status.isSymbolicLink() && (status.mode & 0o022) !== 0) return false;
  }
  return true;
}
