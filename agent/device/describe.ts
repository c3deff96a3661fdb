import type { DeviceDescription } from '../../protocol/index.ts';
import type { AgentHello } from '../../protocol/index.ts';

/** Describes this device to a client; `refresh` looks everything up again that is otherwise kept (CRIU, sudo, namespaces). */
export function describeDevice(
  _hello: AgentHello,
  _flickHome: string,
  _refresh = false,
): Promise<DeviceDescription> {
  return Promise.reject(new Error('not yet'));
}
