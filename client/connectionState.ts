/** Why a connection failed, for people. */
export interface ConnectionError {
  readonly message: string;
  readonly remedy?: string | undefined;
}

/**
 * The life of a connection to a device. `waiting` tries again by itself at `untilMs` (wall clock, ms); `failed` waits for
 * a person, since trying again would fail in the same way.
 */
export type ConnectionState =
  | { readonly kind: 'disconnected' }
  | { readonly kind: 'connecting' }
  | { readonly kind: 'installing' }
  | { readonly kind: 'connected' }
  | {
      readonly kind: 'waiting';
      readonly untilMs: number;
      readonly attempt: number;
      readonly error: ConnectionError;
    }
  | { readonly kind: 'failed'; readonly error: ConnectionError };

export type ConnectionEvent =
  | { readonly kind: 'connect' }
  | { readonly kind: 'install' }
  | { readonly kind: 'established' }
  /** An attempt failed or the link broke; `retryInMs` is absent when a person is needed. */
  | {
      readonly kind: 'failed';
      readonly error: ConnectionError;
      readonly attempt: number;
      readonly retryInMs?: number | undefined;
    }
  | { readonly kind: 'disconnect' };

/** The one place where a connection changes state. Events that do not fit the state change nothing. */
export function nextConnectionState(
  state: ConnectionState,
  event: ConnectionEvent,
  nowMs: number,
): ConnectionState {
  switch (event.kind) {
    case 'connect':
      return state.kind === 'connected' || state.kind === 'installing'
        ? state
        : { kind: 'connecting' };
    case 'install':
      return state.kind === 'connecting' ? { kind: 'installing' } : state;
    case 'established':
      return state.kind === 'connecting' || state.kind === 'installing'
        ? { kind: 'connected' }
        : state;
    case 'failed':
      if (state.kind === 'disconnected') return state;
      return event.retryInMs === undefined
        ? { kind: 'failed', error: event.error }
        : {
            kind: 'waiting',
            untilMs: nowMs + event.retryInMs,
            attempt: event.attempt,
            error: event.error,
          };
    case 'disconnect':
      return { kind: 'disconnected' };
  }
}
