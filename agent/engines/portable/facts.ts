import * as v from 'valibot';
import { criuFacts } from '../criu/factsSchema.ts';

const word = v.pipe(v.string(), v.maxLength(4200));
const id = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_ffff));

/** What the source says of a Node.js program beside what every engine says of a process tree: a claim of the sender. */
export const programFacts = v.object({
  ...criuFacts.entries,
  program: v.object({
    /** Path of its Node.js where it runs. */
    node: word,
    /** The user and group that it believes to be. */
    uid: id,
    gid: id,
    /** Those of its environment variables that count before its environment is rebuilt. */
    environment: v.record(v.pipe(word, v.regex(/^[A-Z_]{1,64}$/)), word),
    /** Options of Node.js itself. */
    options: v.pipe(v.array(word), v.maxLength(100)),
    /** Standard streams that are neither a terminal nor nothing, by what they are. */
    redirected: v.pipe(v.array(word), v.maxLength(3)),
  }),
});
export type ProgramFacts = v.InferOutput<typeof programFacts>;

/** Locale, time zone and what terminals can do are looked at when Node.js starts. */
export const earlyVariables = /^(LANG|LANGUAGE|LC_[A-Z]+|TZ|TERM|COLORTERM)$/;

/** Options of Node.js under which a program goes on as it did, in every version; the others have had their effect. */
export const lastingOptions =
  /^--(enable-source-maps|expose[-_]gc|max[-_](old|semi)[-_]space[-_]size=\d+|stack[-_]size=\d+|stack-trace-limit=\d+|unhandled-rejections=\w+|no-warnings|no-deprecation|throw-deprecation|trace-[a-z-]+)$/;
