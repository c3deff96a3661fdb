import assert from 'node:assert/strict';
import type { Ran } from '../support/flick.ts';
import { beats, broken, eventually, writtenBy, type LabFixture } from './labFixture.ts';

/** Asserts that a process that beats runs on a device, that it goes on beating, and that it has missed none. */
export async function assertRunsOn(fixture: LabFixture, id: string, device: string): Promise<void> {
  const places = (await fixture.list()).filter(
    (each) => each.id === id && !['exited', 'lost'].includes(each.state),
  );
  assert.deepEqual(
    places.map((each) => [each.device, each.state]),
    [[device, 'running']],
  );
  const after = await fixture.asClient(async (fleet) => {
    const before = beats(await writtenBy(fleet, id)).length;
    return eventually(async () => {
      const now = beats(await writtenBy(fleet, id));
      return now.length > before ? now : undefined;
    }, `${id} goes on beating on ${device}`);
  });
  assert.equal(broken(after), undefined);
}

/**
 * Asserts that a process that beats goes on: every number once and in its order, however often it was rebuilt, and not a
 * word of that on its terminal.
 */
export async function assertGoesOn(fixture: LabFixture, id: string): Promise<void> {
  const after = await fixture.asClient(async (fleet) => {
    const last = async (): Promise<number> => beats(await writtenBy(fleet, id)).at(-1) ?? 0;
    const before = await eventually(last, `${id} can be asked`);
    return eventually(async () => {
      const text = await writtenBy(fleet, id);
      return (beats(text).at(-1) ?? 0) > before + 2 ? text : undefined;
    }, `${id} goes on`);
  });
  assert.equal(broken(beats(after)), undefined);
  assert.doesNotMatch(after, /but|Debugger|rebuilt/);
}

/** Asserts the exit status and what a person reads of a command that was not carried out. */
export function assertSaid(ran: Ran, code: number, ...sentences: readonly RegExp[]): void {
  const said = `${ran.stdout}${ran.stderr}`;
  assert.equal(ran.code, code, said);
  for (const sentence of sentences) assert.match(said, sentence);
}
