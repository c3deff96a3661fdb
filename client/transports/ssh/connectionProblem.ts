import { messageOf } from '../../../common/rpc.ts';
import { TransportError } from '../transportError.ts';
import type { KeyRing } from './keyRing.ts';
import type { SshTarget } from './sshConfiguration.ts';

/** Why a host was not reached, in words. */
export function connectionProblem(
  target: SshTarget,
  error: unknown,
  keys: KeyRing,
): TransportError {
  if (error instanceof TransportError) return error;
  const { host, port } = target;
  if (keys.problem !== undefined) return keys.problem;
  const level = error instanceof Error && 'level' in error ? String(error.level) : '';
  if (level === 'client-authentication') return refused(target, keys, error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const unreachable = (why: string, remedy: string): TransportError =>
    new TransportError('unreachable', `${host} could not be reached: ${why}.`, {
      remedy,
      cause: error,
    });
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return unreachable(
        'there is no host of that name',
        'Check the name, and that this machine is in the same network.',
      );
    case 'ECONNREFUSED':
      return unreachable(
        `nothing listens on its port ${port}`,
        'Check that its SSH server runs, and that the port is right.',
      );
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return unreachable(
        'it does not answer',
        'Check that the device is on, and that this machine is in the same network.',
      );
    default:
      return unreachable(
        messageOf(error),
        'Check that the device is on, and that its address and port are right.',
      );
  }
}

function refused(target: SshTarget, keys: KeyRing, cause: unknown): TransportError {
  const address = `${target.user}@${target.host}`;
  const ssh = `ssh ${target.port === 22 ? '' : `-p ${target.port} `}${address}`;
  const remarks = keys.remarks.map((remark) => ` ${remark}`).join('');
  return keys.size === 0
    ? new TransportError('auth', `There is no key to log in with as ${address}.${remarks}`, {
        remedy: `Make one (ssh-keygen) and allow it there (ssh-copy-id ${address}), or name it (--identity).`,
        cause,
      })
    : new TransportError('auth', `${address} did not accept any of your keys.${remarks}`, {
        remedy: `Check that ${ssh} works without a password, or name the right key (--identity).`,
        cause,
      });
}
