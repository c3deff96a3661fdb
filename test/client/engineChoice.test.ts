import assert from 'node:assert/strict';
import { checkWithEngine, type EngineWish } from '../../client/engineChoice.ts';
import type { Device } from '../../client/device.ts';
import type { EngineName, Finding } from '../../protocol/index.ts';

interface Described {
  readonly name: string;
  readonly platform?: string;
  readonly architecture?: string;
  readonly criu?: boolean;
}

/** What the source answers to the check by an engine. */
type Answers = Partial<Record<EngineName, readonly Pick<Finding, 'cause' | 'severity'>[]>>;

/** A device that is known by its description alone, and what it was asked. */
function described(each: Described, answers: Answers = {}): { device: Device; asked: string[] } {
  const { name, platform = 'linux', architecture = 'x64', criu = true } = each;
  const asked: string[] = [];
  const engines = [
    { engine: 'criu', available: criu, version: '4.2.1', findings: [] },
    { engine: 'v8', available: true, version: 'Node.js v20', findings: [] },
  ];
  const device = {
    name,
    description: { platform, architecture, engines },
    request: (_: unknown, { engine }: { engine: EngineName }) => {
      asked.push(engine);
      return Promise.resolve({ findings: answers[engine] ?? [] });
    },
  };
  return { device: device as unknown as Device, asked };
}

describe('the engine that is chosen', () => {
  const notNode = [{ cause: 'notNode', severity: 'blocks' }] as const;
  const ring = [{ cause: 'ioUring', severity: 'blocks' }] as const;
  const cases: readonly {
    readonly when: string;
    readonly from?: Partial<Described>;
    readonly to?: Partial<Described>;
    readonly answers?: Answers;
    readonly wish?: EngineWish;
    readonly engine: EngineName;
    readonly why?: string;
    readonly asked: readonly EngineName[];
  }[] = [
    { when: 'both devices are alike', engine: 'criu', asked: ['criu'] },
    {
      when: 'the processors differ',
      to: { architecture: 'arm64' },
      engine: 'v8',
      why: 'here has a processor of the kind x64 and there one of the kind arm64.',
      asked: ['v8'],
    },
    {
      when: 'the systems differ, and the processors too',
      to: { platform: 'darwin', architecture: 'arm64', criu: false },
      engine: 'v8',
      why: 'here runs linux and there runs darwin.',
      asked: ['v8'],
    },
    {
      when: 'CRIU is missing on both',
      from: { criu: false },
      to: { criu: false },
      engine: 'v8',
      why: 'CRIU cannot be used on here and on there.',
      asked: ['v8'],
    },
    {
      when: 'the processors differ and it is no Node.js program: CRIU says why it cannot',
      to: { architecture: 'arm64' },
      answers: { v8: notNode },
      engine: 'criu',
      asked: ['v8', 'criu'],
    },
    {
      when: 'the process has an io_uring',
      answers: { criu: ring },
      engine: 'v8',
      why: 'The process has an io_uring, which CRIU cannot save.',
      asked: ['criu', 'v8'],
    },
    {
      when: 'another program has an io_uring',
      answers: { criu: ring, v8: notNode },
      engine: 'criu',
      asked: ['criu', 'v8'],
    },
    {
      when: 'CRIU is asked for although the processors differ',
      to: { architecture: 'arm64' },
      wish: 'criu',
      engine: 'criu',
      asked: ['criu'],
    },
    { when: 'the portable engine is asked for', wish: 'v8', engine: 'v8', asked: ['v8'] },
  ];

  for (const { when, from, to, answers, wish = 'auto', engine, why, asked } of cases) {
    it(`is ${engine} when ${when}`, async () => {
      const source = described({ name: 'here', ...from }, answers);
      const target = described({ name: 'there', ...to });
      const chosen = await checkWithEngine(source.device, 'p-1', target.device, { wish });
      assert.equal(chosen.engine, engine);
      assert.equal(chosen.why, why);
      assert.deepEqual(source.asked, asked);
      assert.deepEqual(target.asked, []);
    });
  }
});
