import type { Disposable } from '../common/disposable.ts';
import type { Event } from '../common/event.ts';
import type { RpcPeer } from '../common/rpc.ts';
import type { AgentHello } from '../protocol/index.ts';
import type { ConnectionState } from './connectionState.ts';

/** A device was started anew between two connections: its processes of before are gone. */
export interface Reboot {
  readonly previousBootId: string;
  readonly bootId: string;
}

/** The control connection to one agent, kept up by whoever implements this. */
export interface DeviceLink extends Disposable {
  readonly state: ConnectionState;
  readonly onDidChangeState: Event<ConnectionState>;
  /** Fires after the reconnection, once the state is `connected`. */
  readonly onDidReboot: Event<Reboot>;
  /** The connection while connected, else undefined. */
  readonly peer: RpcPeer | undefined;
  /** What the agent said at the last connection; undefined before the first. */
  readonly hello: AgentHello | undefined;
  /** Resolves when connected. @throws {TransportError | FlickError} why the first attempt failed */
  connect(): Promise<void>;
  disconnect(): void;
  retryNow(): void;
}
