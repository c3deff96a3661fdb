/** Why a connection failed, for people. */
export interface ConnectionError {
  readonly message: string;
  readonly remedy?: string | undefined;
}

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
