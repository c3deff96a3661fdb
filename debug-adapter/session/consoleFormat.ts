import type { Protocol } from '../cdp.ts';

type RemoteObject = Protocol.Runtime.RemoteObject;

/**
 * The text of a call such as `console.log('%s is %d', name, 3)`: placeholders of the first argument are filled in as
 * https://console.spec.whatwg.org/#formatter says, the rest follows.
 * @param present shows what is no plain text
 */
export function formatMessage(
  args: readonly RemoteObject[],
  present: (object: RemoteObject) => string,
): string {
  const [first, ...rest] = args;
  if (first?.type !== 'string' || typeof first.value !== 'string') {
    return args.map((each) => show(each, present)).join(' ');
  }
  const left = [...rest];
  const text = first.value.replace(/%([sdifoOc%])/g, (placeholder, kind: string) => {
    if (kind === '%') return '%';
    const next = left.shift();
    if (next === undefined) return placeholder;
    if (kind === 'c') return '';
    if (kind === 'd' || kind === 'i' || kind === 'f') return formatNumber(next, kind);
    return kind === 's' ? show(next, present) : present(next);
  });
  return [text, ...left.map((each) => show(each, present))].join(' ');
}

function show(object: RemoteObject, present: (object: RemoteObject) => string): string {
  return object.type === 'string' && typeof object.value === 'string'
    ? object.value
    : present(object);
}

function formatNumber({ type, value, description }: RemoteObject, kind: 'd' | 'i' | 'f'): string {
  if (type === 'bigint') return description ?? '';
  if (type !== 'number' && type !== 'string') return 'NaN';
  // NaN, infinities and minus zero come as text only.
  const number = Number(value ?? description);
  return String(kind === 'i' ? Math.trunc(number) : number);
}
