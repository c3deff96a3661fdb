import { maxRemoteText } from '../../../protocol/debugRuntime.ts';

/** How deep the inspector's own answers go; what is deeper is somebody's data, which is copied as it is. */
const deepest = 8;

/**
 * Cuts the text values of remote objects that are too long to be sent. A cut one keeps its beginning and says how long it
 * was in `cutLength`, in UTF-16 code units.
 */
export function cutTexts(message: unknown, depth = 0): unknown {
  if (depth > deepest || typeof message !== 'object' || message === null) return message;
  if (Array.isArray(message)) {
    for (const each of message) cutTexts(each, depth + 1);
    return message;
  }
  const object = message as Record<string, unknown>;
  const { type, value } = object;
  if (type === 'string' && typeof value === 'string' && value.length > maxRemoteText) {
    object['cutLength'] = value.length;
    object['value'] = value.slice(0, maxRemoteText);
    return message;
  }
  for (const key of Object.keys(object)) cutTexts(object[key], depth + 1);
  return message;
}
