import { readProc } from '../procfs/read.ts';
import { run } from './run.ts';

let known: Promise<boolean> | undefined;
let rootKnown: Promise<boolean> | undefined;

/**
 * Whether processes get namespaces of their own here. Without, they are plain children of their keepers, and only the
 * portable engine moves them. `FLICK_CELLS=plain` says that they are not to have any.
 */
export function hasNamespaces(refresh = false): Promise<boolean> {
  if (process.env['FLICK_CELLS'] === 'plain') return Promise.resolve(false);
  if (process.getuid?.() !== 0) return canUnshareUsers(refresh);
  // Root of a container may lack the right.
  if (refresh || rootKnown === undefined) {
    rootKnown = run(['unshare', '--pid', '--mount', '--fork', '--', 'true'], {
      timeoutMs: 10_000,
    }).then(({ code }) => code === 0 || code === 127);
  }
  return rootKnown;
}

/**
 * Whether the agent's user may make user namespaces with rights in them: tried, since a kernel setting, a limit, a
 * container's seccomp filter or AppArmor (which lets the namespace be made, but without rights) can forbid it.
 */
export function canUnshareUsers(refresh = false): Promise<boolean> {
  if (refresh || known === undefined) known = tryIt();
  return known;
}

async function tryIt(): Promise<boolean> {
  const { code } = await run(
    ['unshare', '--user', '--map-root-user', '--pid', '--mount', '--fork', '--', 'true'],
    { timeoutMs: 10_000 },
  );
  return code === 127 ? settingsAllow() : code === 0;
}

/** Where there is no unshare(1) to try with: what the kernel's settings say. */
async function settingsAllow(): Promise<boolean> {
  const setting = async (name: string): Promise<string | undefined> =>
    (await readProc(`/proc/sys/${name}`))?.trim();
  return (
    (await setting('kernel/unprivileged_userns_clone')) !== '0' &&
    (await setting('kernel/apparmor_restrict_unprivileged_userns')) !== '1' &&
    !['0', undefined].includes(await setting('user/max_user_namespaces'))
  );
}
