import { randomUUID } from 'node:crypto';
import type { Editor } from './editor.ts';

/** What is done within this time needs no progress, in ms. */
const unnoticed = 500;

/** Shows that something takes long, if it does. */
export async function withProgress<T>(
  editor: Editor,
  title: string,
  work: () => Promise<T>,
): Promise<T> {
  const progressId = randomUUID();
  let isShown = false;
  const timer = setTimeout(() => {
    isShown = true;
    editor.emit('progressStart', { progressId, title });
  }, unnoticed);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    if (isShown) editor.emit('progressEnd', { progressId });
  }
}
