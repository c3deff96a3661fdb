/** Generated text says at its end which script it was made of, so that what it made can be carried again. */

/**
 * @param script index in the capsule that the text was made of
 * @param head lines before the one that is the script's first
 */
export function originMark(script: number, head: number): string {
  return `\n//$flick ${script} ${head}`;
}

export interface OriginMark {
  readonly script: number;
  readonly head: number;
}

export function readOriginMark(source: string): OriginMark | undefined {
  const match = /\n\/\/\$flick (\d+) (\d+)(?:\n\/\/# sourceURL=.*)?$/.exec(source);
  return match === null ? undefined : { script: Number(match[1]), head: Number(match[2]) };
}

/** What a resumed activation keeps for the next time it is carried. */
export interface ResumedState {
  /** The function that it is an activation of. */
  readonly origin: object;
  /** Its text as it was generated, to be found in its script. */
  readonly text: string;
  /** Offset in the generated text to offset in the script of the function. */
  toOriginal(offset: number): number;
}
