import { randomInt } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { FrameStream, type Frame } from '../../common/frames.ts';
import { messageOf } from '../../common/rpc.ts';
import type { Device } from '../../client/device.ts';
import { awaitHandoff, FlickError, receiveProcess, sendProcess } from '../../protocol/index.ts';
import { mutate } from '../support/mutations.ts';

type Message = Record<string, unknown> & { readonly type?: string };

/** A frame of a handoff and the part of it that the frame belongs to, such as `offer` or `images: data 2`. */
export interface Recorded {
  readonly frame: Frame;
  readonly region: string;
}

/** What happens to one frame: something in it changes, it is left out, or it comes twice. */
export const harms = ['change', 'cut', 'repeat'] as const;
export type Harm = (typeof harms)[number];

export function newHandoff(): string {
  return `h-${Array.from({ length: 16 }, () => randomInt(36).toString(36)).join('')}`;
}

/** Names the parts of one direction: data belongs to the message before it. */
export class Regions {
  readonly #seen = new Map<string, number>();
  #message = '';

  next(frame: Frame): string {
    if (frame.kind === 'json') this.#message = (frame.value as Message).type ?? '?';
    const name = frame.kind === 'json' ? this.#message : `${this.#message}: data`;
    const count = (this.#seen.get(name) ?? 0) + 1;
    this.#seen.set(name, count);
    return count === 1 ? name : `${name} ${count}`;
  }
}

/** What is passed on in place of a frame. */
export function harmed(frame: Frame, harm: Harm, random: () => number): Frame[] {
  switch (harm) {
    case 'cut':
      return [];
    case 'repeat':
      return [frame, frame];
    case 'change':
      return [
        frame.kind === 'data'
          ? { kind: 'data', data: mutate(frame.data, random) }
          : { kind: 'json', value: withoutSense(frame.value, random) },
      ];
  }
}

/** Moves a process through a client that may harm one frame of a direction, and notes those of the source. */
export async function moveThrough(
  from: Device,
  to: Device,
  id: string,
  handoff: string,
  harm?: { readonly region: string; readonly harm: Harm; readonly random: () => number },
): Promise<{ sent: Recorded[]; answered: Recorded[]; error: FlickError | undefined }> {
  const parties = { handoff, id, source: from.name, target: to.name };
  const target = await to.openStream((await to.request(receiveProcess, parties)).ticket);
  const source = await from.openStream((await from.request(sendProcess, parties)).ticket);
  const [left, right] = [new FrameStream(source), new FrameStream(target)];
  const sent: Recorded[] = [];
  const answered: Recorded[] = [];
  const pass = async (
    one: FrameStream,
    other: FrameStream,
    notes: Recorded[],
    hurt: typeof harm,
  ): Promise<void> => {
    const regions = new Regions();
    try {
      for (;;) {
        const frame = unsealed(await one.receive());
        const region = regions.next(frame);
        notes.push({ frame, region });
        const passed = region === hurt?.region ? harmed(frame, hurt.harm, hurt.random) : [frame];
        for (const each of passed) await send(other, each);
      }
    } catch {
      other.end();
    }
  };
  const over = Promise.all([pass(left, right, sent, undefined), pass(right, left, answered, harm)]);
  void over.then(() => {
    source.destroy();
    target.destroy();
  });
  // A frame that is missing is waited for until somebody gives up.
  const patience = setTimeout(() => {
    if (harm === undefined) return;
    source.destroy();
    target.destroy();
  }, 6_000);
  try {
    await from.request(awaitHandoff, { handoff });
    return { sent, answered, error: undefined };
  } catch (error) {
    const failure =
      error instanceof FlickError ? error : new FlickError('internal', messageOf(error));
    return { sent, answered, error: failure };
  } finally {
    await over;
    clearTimeout(patience);
  }
}

/**
 * Plays a recorded source to a real target.
 * @param patience how long the target may say nothing more, in ms, before the stream ends
 * @returns the last message of the target, undefined where it only ended the stream
 */
export async function play(
  to: Device,
  id: string,
  recorded: readonly Frame[],
  patience: number,
): Promise<Message | undefined> {
  const handoff = newHandoff();
  const parties = { handoff, id, source: 'recorded', target: to.name };
  const stream: Duplex = await to.openStream((await to.request(receiveProcess, parties)).ticket);
  const frames = new FrameStream(stream);
  let last: Message | undefined;
  const writing = (async () => {
    for (const frame of recorded) {
      const value = frame.kind === 'json' ? (frame.value as Message) : undefined;
      if (value?.type === 'offer' && 'handoff' in value) {
        // Of this very handoff, unless that is what was changed.
        const isOwn = /^h-[0-9a-z]{16}$/.test(String(value['handoff']));
        await frames.sendJson(isOwn ? { ...value, handoff } : value);
      } else await send(frames, frame);
    }
  })().catch(() => undefined);
  let timer = setTimeout(() => stream.destroy(), patience);
  try {
    for (;;) {
      const frame = await frames.receive();
      clearTimeout(timer);
      timer = setTimeout(() => stream.destroy(), patience);
      if (frame.kind !== 'json') continue;
      last = frame.value as Message;
      if (last.type === 'abort' || last.type === 'running') return last;
    }
  } catch {
    return last?.type === 'abort' ? last : undefined;
  } finally {
    clearTimeout(timer);
    await Promise.race([writing, new Promise((resolve) => stream.once('close', resolve))]);
    frames.end();
    stream.destroy();
  }
}

async function send(frames: FrameStream, frame: Frame): Promise<void> {
  if (frame.kind === 'data') await frames.sendData(frame.data);
  else await frames.sendJson(frame.value);
}

/** Whoever passes frames on makes them anew, which a seal would not allow. */
function unsealed(frame: Frame): Frame {
  if (frame.kind === 'data') return frame;
  const value = frame.value as Message;
  return value.type === 'offer' ? { kind: 'json', value: { ...value, sealed: false } } : frame;
}

const strange = [
  ...[-1, 0, 1, 7, 1e9, 2 ** 40, 2 ** 53, 0.5, '', 'x', '/', '..', '../../etc/flick-fuzz'],
  ...['/etc/flick-fuzz', '/proc/self/mem', 'a\0b', 'é'.repeat(200), null, true, false, [], {}],
];

/** A message of which one value is another, or is missing, or is there twice. */
function withoutSense(message: unknown, random: () => number): unknown {
  const copy: unknown = structuredClone(message);
  const places: { readonly holder: object; readonly key: string }[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const key of Object.keys(value)) {
      places.push({ holder: value, key });
      visit(Reflect.get(value, key));
    }
  };
  visit(copy);
  const place = places[Math.floor(random() * places.length)];
  if (place === undefined) return { type: 'nonsense' };
  const { holder, key } = place;
  const way = random();
  if (way < 0.15) Reflect.deleteProperty(holder, key);
  else if (way < 0.25 && Array.isArray(holder)) holder.push(structuredClone(holder[Number(key)]));
  else Reflect.set(holder, key, strange[Math.floor(random() * strange.length)]);
  return copy;
}
