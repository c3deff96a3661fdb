import type { DeviceDescription, EngineName } from '../../protocol/index.ts';
import { isNodeProgram } from '../engines/portable/node.ts';
import type { ManagedProcess } from '../processes/managedProcess.ts';
import { readProcLink } from '../procfs/read.ts';

/** CRIU where the device has it; else the portable engine, for a program that it could carry. */
export async function savingEngine(
  { pid }: Pick<ManagedProcess, 'pid'>,
  { engines }: Pick<DeviceDescription, 'engines'>,
): Promise<EngineName> {
  if (engines.some(({ engine, available }) => engine === 'criu' && available)) return 'criu';
  const program = pid === undefined ? undefined : await readProcLink(`/proc/${pid}/exe`);
  return program !== undefined && isNodeProgram(program) ? 'v8' : 'criu';
}
