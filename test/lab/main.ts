import { spawn } from 'node:child_process';
import { exitStatus } from './commands.ts';
import { Lab } from './lab.ts';

const usage = `usage: lab up NAME… [--json]
       lab exec NAME [--user root|dev] -- COMMAND [ARG…]
       lab rate NAME RATE|off        such as 384kbit, each way
       lab delay NAME DELAY|off      such as 50ms, each way
       lab kill NAME                 cut the power: processes die, files stay
       lab boot NAME
       lab down
FLICK_HOME is where the devices are registered; LAB_HOME is the lab's own folder.
`;

class UsageError extends Error {}

async function main(argv: readonly string[]): Promise<number> {
  const [command = '', ...args] = argv;
  switch (command) {
    case 'up':
      return up(args);
    case 'exec':
      return exec(args);
    case 'rate': {
      const [name, rate] = exactly(2, args);
      await Lab.open().rate(name, rate);
      return 0;
    }
    case 'delay': {
      const [name, delay] = exactly(2, args);
      await Lab.open().delay(name, delay);
      return 0;
    }
    case 'kill':
      await Lab.open().kill(exactly(1, args)[0]);
      return 0;
    case 'boot':
      await Lab.open().boot(exactly(1, args)[0]);
      return 0;
    case 'down':
      exactly(0, args);
      await Lab.down();
      return 0;
    default:
      throw new UsageError();
  }
}

async function up(args: readonly string[]): Promise<number> {
  const names = args.filter((arg) => arg !== '--json');
  if (names.length === 0 || names.some((name) => name.startsWith('-'))) throw new UsageError();
  const lab = await Lab.up(names);
  const { flickHome, identity, devices } = lab;
  if (args.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ flickHome, identity, devices })}\n`);
    return 0;
  }
  for (const { name, address, users } of devices) {
    const logins = users.map((user) => `${user.name} (uid ${String(user.uid)}, ${user.home})`);
    process.stdout.write(`${name}  ${address}  ${logins.join(', ')}\n`);
  }
  process.stdout.write(`export FLICK_HOME=${flickHome}\n`);
  return 0;
}

function exec(args: readonly string[]): Promise<number> {
  const end = args.indexOf('--');
  const [name, ...flags] = args.slice(0, end === -1 ? 0 : end);
  const argv = args.slice(end + 1);
  const [flag, user = 'root', ...rest] = flags;
  if (name === undefined || argv.length === 0 || rest.length > 0) throw new UsageError();
  if (flag !== undefined && flag !== '--user') throw new UsageError();
  if (user !== 'root' && user !== 'dev') throw new UsageError();
  const inside = Lab.open().command(name, argv, user);
  const [program = '', ...programArgs] = inside.argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, programArgs, { stdio: 'inherit', env: inside.env });
    // The command gets ^C from the terminal itself, and decides what to do.
    process.on('SIGINT', () => undefined);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      resolve(exitStatus(code, signal));
    });
  });
}

function exactly(count: number, args: readonly string[]): [string, string] {
  if (args.length !== count) throw new UsageError();
  const [first = '', second = ''] = args;
  return [first, second];
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(usage);
    process.exitCode = 2;
  } else {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
