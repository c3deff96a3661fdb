import type { AnyNode } from 'acorn';
import { keptKey } from './stable.ts';

type Template = Extract<AnyNode, { type: 'TemplateLiteral' }>;

/** What a template has put together by the time that it comes to one of its values: text, value, text, …, text. */
export function joined(template: Template, count: number): string {
  let text = '';
  for (let index = 0; index <= count; index += 1) {
    text += template.quasis[index]?.value.cooked ?? '';
    const value = template.expressions[index];
    if (index < count && value !== undefined) text += keptKey(value);
  }
  return text;
}

/**
 * Values that give a text again when a template puts it together: where one text of the template ends and the next value
 * begins does not matter then.
 * @returns undefined when the text is none of that template
 */
export function splitText(text: string, template: Template, count: number): string[] | undefined {
  const texts = template.quasis.slice(0, count + 1).map(({ value }) => value.cooked ?? '');
  const [first = '', ...rest] = texts;
  const last = rest.pop() ?? '';
  if (!text.startsWith(first) || !text.endsWith(last)) return undefined;
  if (text.length < first.length + last.length) return undefined;
  const middle = text.slice(first.length, text.length - last.length);
  const values: string[] = [];
  let from = 0;
  for (const between of rest) {
    const at = middle.indexOf(between, from);
    if (at < 0) return undefined;
    values.push(middle.slice(from, at));
    from = at + between.length;
  }
  values.push(middle.slice(from));
  return values;
}
