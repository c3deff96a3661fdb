import type { GenericSchema, InferOutput } from 'valibot';

/** A request: one constant names the method and carries the schemas that both ends validate against. */
export interface RequestContract<P extends GenericSchema, R extends GenericSchema> {
  readonly method: string;
  readonly params: P;
  readonly result: R;
}

/** An announcement of the agent; nobody answers it. */
export interface NotificationContract<P extends GenericSchema> {
  readonly method: string;
  readonly params: P;
}

export function request<P extends GenericSchema, R extends GenericSchema>(
  method: string,
  params: P,
  result: R,
): RequestContract<P, R> {
  return { method, params, result };
}

export function notification<P extends GenericSchema>(
  method: string,
  params: P,
): NotificationContract<P> {
  return { method, params };
}

export type AnyRequest = RequestContract<GenericSchema, GenericSchema>;
export type AnyNotification = NotificationContract<GenericSchema>;
export type ParamsOf<C extends { readonly params: GenericSchema }> = InferOutput<C['params']>;
export type ResultOf<C extends AnyRequest> = InferOutput<C['result']>;
