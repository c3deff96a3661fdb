/** A value as part of a message: texts as they are, objects like JSON where that is possible. */
const show = `(value) => {
  if (typeof value !== 'object' || value === null) return typeof value === 'symbol' ? value.toString() : String(value);
  try { return JSON.stringify(value) ?? String(value); } catch { return String(value); }
}`;

/** Turns `total is {total}` into an expression that gives the text. Braces may be nested: `{items.map((x) => ({ x }))}`. */
export function logExpression(message: string): string {
  const parts: string[] = [];
  let text = '';
  for (let at = 0; at < message.length; at += 1) {
    const character = message.charAt(at);
    const end = character === '{' ? closing(message, at) : -1;
    if (end < 0) {
      text += character;
      continue;
    }
    parts.push(JSON.stringify(text), `(${show})(${message.slice(at + 1, end)}\n)`);
    text = '';
    at = end;
  }
  parts.push(JSON.stringify(text));
  return parts.join(' + ');
}

/** Where the brace is closed; -1 where it is not, or holds nothing. */
function closing(message: string, open: number): number {
  let depth = 0;
  for (let at = open; at < message.length; at += 1) {
    if (message[at] === '{') depth += 1;
    if (message[at] === '}') depth -= 1;
    if (depth === 0) return message.slice(open + 1, at).trim() === '' ? -1 : at;
  }
  return -1;
}
