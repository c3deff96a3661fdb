import * as v from 'valibot';
import { agentHello, type AgentHello } from '../../../protocol/index.ts';
import type { AgentFile } from '../../agentFile.ts';
import { TransportError } from '../transportError.ts';
import type { ExecResult } from '../transport.ts';

const oldestNode = 20;
const begin = 'FLICK-PROBE-BEGIN';
const end = 'FLICK-PROBE-END';

/** What one look at a device tells. */
export interface Probe {
  readonly system: string;
  readonly home: string;
  readonly node: string;
  readonly agentPath: string;
  /** An agent of this very build is there already. */
  readonly present: boolean;
}

/** Runs one POSIX shell script on the device; its words are its `$1`, `$2`, … */
export type RunScript = (
  script: string,
  words: readonly string[],
  input?: Buffer,
) => Promise<ExecResult>;

/**
 * Everything that must be known before the agent can be started, in one round trip. Node is looked for in PATH and where
 * version managers put it, since the shell of an SSH command reads none of their start-up files.
 */
const probeScript = `
home="\${FLICK_HOME:-$HOME/.flick}"
agent="$home/agent/$1/agent.cjs"
echo ${begin}
uname -s -m
echo "$home"
for node in "$(command -v node 2>/dev/null)" "$HOME"/.nvm/versions/node/*/bin/node /usr/local/bin/node /opt/node*/bin/node \\
  "$HOME"/.local/bin/node /snap/bin/node "$HOME"/.volta/bin/node "$HOME"/.local/share/fnm/node-versions/*/installation/bin/node; do
  [ -n "$node" ] && [ -x "$node" ] || continue
  version=$("$node" -p process.versions.node 2>/dev/null) || continue
  echo "node $version $node"
done
echo "agent $agent"
if [ -f "$agent" ]; then
  { sha256sum "$agent" 2>/dev/null || shasum -a 256 "$agent" 2>/dev/null; } | { read -r sum rest && echo "sum $sum"; }
fi
echo ${end}
`;

/** @throws {TransportError} `noNode`, `nodeTooOld`, `agentStart` */
export async function probe(run: RunScript, sha256: string): Promise<Probe> {
  const { stdout, stderr } = await run(probeScript, [sha256.slice(0, 16)]);
  const lines = between(stdout);
  const [system, home, ...rest] = lines ?? [];
  if (system === undefined || home === undefined) {
    throw new TransportError(
      'agentStart',
      `The device ran no command for Flick: ${lastLine(stderr) || 'its shell answered nothing'}.`,
      { remedy: 'Check that ssh to the device runs commands, such as: ssh DEVICE uname.' },
    );
  }
  const versions = rest.flatMap((line) => {
    const match = /^node (\d+)\.(\d+)\.(\d+)\S* (.+)$/.exec(line);
    return match === null
      ? []
      : [{ major: Number(match[1]), minor: Number(match[2]), path: match[4] ?? '' }];
  });
  const best = versions.sort((a, b) => b.major - a.major || b.minor - a.minor)[0];
  if (best === undefined) {
    throw new TransportError('noNode', 'The device has no Node.js.', {
      remedy: `Install Node.js ${oldestNode} or newer there (Debian: sudo apt install nodejs; or https://nodejs.org).`,
    });
  }
  if (best.major < oldestNode) {
    throw new TransportError(
      'nodeTooOld',
      `The device’s Node.js is ${best.major}.${best.minor} (${best.path}); Flick needs ${oldestNode} or newer.`,
      { remedy: 'Install a newer Node.js there; Flick also finds those of nvm, fnm and volta.' },
    );
  }
  const agentPath = rest.find((line) => line.startsWith('agent '))?.slice(6) ?? '';
  const sum = rest.find((line) => line.startsWith('sum '))?.slice(4);
  return { system, home, node: best.path, agentPath, present: sum === sha256 };
}

/** Writes the agent beside its place, checks what arrived, moves it there, and drops all but the last older one. */
const pushScript = `
set -e
umask 077
folder=\${1%/*}
mkdir -p "$folder"
cat > "$1.new"
sum=$({ sha256sum "$1.new" 2>/dev/null || shasum -a 256 "$1.new" 2>/dev/null || "$3" -e 'console.log(require("crypto").createHash("sha256").update(require("fs").readFileSync(process.argv[1])).digest("hex"))' "$1.new"; } | { read -r sum rest; echo "$sum"; })
if [ "$sum" != "$2" ]; then rm -f "$1.new"; echo "checksum $sum" >&2; exit 9; fi
mv -f "$1.new" "$1"
cd "$folder/.."
ls -1t | tail -n +3 | while read -r old; do rm -rf "./$old"; done
`;

/** @throws {TransportError} `noSpace`, `agentPush` */
export async function push(run: RunScript, found: Probe, agent: AgentFile): Promise<void> {
  const { exitCode, stderr } = await run(
    pushScript,
    [found.agentPath, agent.sha256, found.node],
    agent.bytes,
  );
  if (exitCode === 0) return;
  const why = lastLine(stderr);
  if (/no space left|disk quota exceeded/i.test(stderr)) {
    throw new TransportError(
      'noSpace',
      `The device’s disk is full: the agent could not be written to ${found.agentPath}.`,
      {
        remedy: 'Free some space there and connect again.',
      },
    );
  }
  throw new TransportError(
    'agentPush',
    `The agent could not be written to ${found.agentPath}: ${why}`,
    {
      remedy: 'Check that your home folder on the device can be written.',
    },
  );
}

/** @throws {TransportError} `agentStart` */
export async function start(run: RunScript, found: Probe): Promise<AgentHello> {
  const { stdout, stderr } = await run('exec "$1" "$2" start', [found.node, found.agentPath]);
  for (const line of stdout.split('\n').reverse()) {
    if (!line.startsWith('{')) continue;
    const parsed = v.safeParse(agentHello, parseJson(line));
    if (parsed.success) return parsed.output;
  }
  throw new TransportError(
    'agentStart',
    `The agent did not start: ${lastLine(stderr) || 'it said nothing'}`,
    {
      remedy: `Its log is ${found.home}/agent.log on the device.`,
    },
  );
}

/** Shells print greetings and rc files print anything: only what stands between the marks is ours. */
function between(output: string): string[] | undefined {
  const lines = output.split('\n').map((line) => line.trimEnd());
  const from = lines.lastIndexOf(begin);
  const to = lines.lastIndexOf(end);
  return from < 0 || to < from ? undefined : lines.slice(from + 1, to);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
