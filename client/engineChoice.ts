import {
  checkDeparture,
  describeDevice,
  type DeviceDescription,
  type EngineName,
  type Finding,
  type ResultOf,
} from '../protocol/index.ts';
import type { Device } from './device.ts';

export type EngineWish = 'auto' | EngineName;

export interface EngineChoice {
  readonly engine: EngineName;
  /** Why it is not CRIU, as a sentence; undefined where that was asked for, or nothing speaks against CRIU. */
  readonly why: string | undefined;
}

/** What speaks against CRIU between two devices, as a sentence. */
export async function whyPortable(from: Device, to: Device): Promise<string | undefined> {
  const [source, target] = await Promise.all([describe(from), describe(to)]);
  if (source.platform !== target.platform) {
    return `${from.name} runs ${source.platform} and ${to.name} runs ${target.platform}.`;
  }
  if (source.architecture !== target.architecture) {
    return `${from.name} has a processor of the kind ${source.architecture} and ${to.name} one of the kind ${target.architecture}.`;
  }
  const lacking = [...(hasCriu(source) ? [] : [from.name]), ...(hasCriu(target) ? [] : [to.name])];
  return lacking.length === 0 ? undefined : `CRIU cannot be used on ${lacking.join(' and on ')}.`;
}

type Departure = ResultOf<typeof checkDeparture>;

/** The source's half of the check, by the engine that the move is going to use. */
export async function checkWithEngine(
  from: Device,
  id: string,
  to: Device,
  options: { readonly wish: EngineWish; readonly signal?: AbortSignal | undefined },
): Promise<Departure & EngineChoice> {
  const { wish, signal } = options;
  const check = async (engine: EngineName, why?: string): Promise<Departure & EngineChoice> => {
    const departure = await from.request(checkDeparture, { id, target: to.name, engine }, signal);
    return { ...departure, engine, why };
  };
  if (wish !== 'auto') return check(wish);
  const why = await whyPortable(from, to);
  if (why !== undefined) {
    const portable = await check('v8', why);
    return isOtherProgram(portable.findings) ? check('criu') : portable;
  }
  const dump = await check('criu');
  if (!hasRing(dump.findings)) return dump;
  const portable = await check('v8', 'The process has an io_uring, which CRIU cannot save.');
  if (isOtherProgram(portable.findings)) return dump;
  const hindrances = portable.findings.filter((each) => each.severity === 'blocks');
  if (hindrances.length === 0) return portable;
  // Started without an io_uring it could be moved whole, so what CRIU's check says helps more.
  const also = hindrances.map((each): Finding => ({
    severity: 'notes',
    cause: each.cause,
    side: each.side,
    what: `The portable engine, which needs no CRIU, cannot move it either: ${each.what}`,
  }));
  return { ...dump, findings: [...dump.findings, ...also] };
}

async function describe(device: Device): Promise<DeviceDescription> {
  return device.description ?? (await device.request(describeDevice, {}));
}

function hasCriu({ engines }: DeviceDescription): boolean {
  return engines.some(({ engine, available }) => engine === 'criu' && available);
}

function isOtherProgram(findings: readonly Finding[]): boolean {
  return findings.some((each) => each.cause === 'notNode');
}

function hasRing(findings: readonly Finding[]): boolean {
  return findings.some((each) => each.cause === 'ioUring' && each.severity === 'blocks');
}

/** What people call it. */
export const engineLabels: Readonly<Record<EngineName, string>> = {
  criu: 'CRIU',
  v8: 'the portable engine',
};
