import type { Capsule, FunctionRecord } from '../capsule/format.ts';
import type { Objects } from './code.ts';

/** Whether a function is a private method or accessor. @param start where its text begins, without `static` */
export function isPrivateMember(source: string, start: number): boolean {
  const gap = String.raw`(?:\s|\/\*[^]*?\*\/|\/\/[^\n]*\n)*`;
  const words = new RegExp(`(?:(?:async|get|set)\\b${gap}|\\*${gap})*#`, 'y');
  words.lastIndex = start;
  return words.test(source);
}

/** A class and the classes of the program that it is derived from, the newest first. */
export function lineage(capsule: Capsule, objects: Objects, id: number): number[] {
  const classes: number[] = [];
  for (let at = id; ;) {
    const record = capsule.objects[at] as FunctionRecord | undefined;
    if (record?.k !== 'fn' || record.isClass !== 1) return classes;
    classes.push(at);
    at = objects.idOf(record.proto);
  }
}
