import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { AgentHello } from '../../../protocol/index.ts';
import type { AgentFile } from '../../agentFile.ts';
import { readHello } from '../agentOutput.ts';
import { TransportError } from '../transportError.ts';
import type { ExecResult } from '../transport.ts';

const oldestNode = 20;

/** What one look at a device tells. */
export interface Probe {
  /** `uname -s -m`. */
  readonly system: string;
  /** `FLICK_HOME` of the device. */
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
  options?: {
    readonly input?: Readable;
    /** Hears all that it has printed so far. */
    readonly onOutput?: (printed: string) => void;
  },
) => Promise<ExecResult>;

/**
 * Bytes of the agent that are on their way at a time. All that is sent stands before the connection's keep-alives: an
 * SSH channel would take 2 MiB at once, which a slow link carries for longer than an answer is waited for.
 */
const pushWindow = 96 * 1024;
const pushPart = 16 * 1024;
/** How often it is told how far it is, in ms. */
const tellEvery = 2_000;

/** `sha256 FILE` prints its SHA-256 in hexadecimal with whatever the device has; `$node` may be one. */
const sha256Function = `
sha256() {
  {
    sha256sum < "$1" || shasum -a 256 < "$1" || "$node" -e '
      const hash = require("crypto").createHash("sha256");
      console.log(hash.update(require("fs").readFileSync(0)).digest("hex"));' < "$1"
  } 2>/dev/null | { read -r sum rest; echo "$sum"; }
}`;

/**
 * Everything that must be known before the agent can be started, in one round trip. Node is looked for in PATH and where
 * version managers put it, since the shell of an SSH command reads none of their start-up files.
 */
const probeScript = `
export LC_ALL=C
home="\${FLICK_HOME:-$HOME/.flick}"
agent="$home/agent/$1/agent.cjs"
echo "system $(uname -s -m)"
echo "home $home"
echo "agent $agent"
seen=:
works=
for node in "$(command -v node)" "$(command -v nodejs)" \\
  "$HOME"/.nvm/versions/node/*/bin/node /usr/local/bin/node /opt/node*/bin/node \\
  "$HOME"/.local/bin/node /snap/bin/node "$HOME"/.volta/bin/node \\
  "$HOME"/.fnm/node-versions/*/installation/bin/node \\
  "$HOME"/.local/share/fnm/node-versions/*/installation/bin/node \\
  "$HOME"/.asdf/installs/nodejs/*/bin/node "$HOME"/.local/share/mise/installs/node/*/bin/node; do
  [ -x "$node" ] || continue
  case $seen in *":$node:"*) continue ;; esac
  seen="$seen$node:"
  if version=$("$node" -p process.versions.node </dev/null 2>/dev/null); then
    works=$node
    echo "node $version $node"
  else
    echo "broken $node"
  fi
done
node=$works
${sha256Function}
[ ! -f "$agent" ] || echo "sum $(sha256 "$agent")"
`;

/** @throws {TransportError} `noNode`, `nodeTooOld`, `noShell` */
export async function probe(run: RunScript, sha256: string): Promise<Probe> {
  const { stdout, stderr } = await run(probeScript, [sha256.slice(0, 16)]);
  const lines = stdout.split('\n');
  const valuesOf = (key: string): string[] =>
    lines.filter((line) => line.startsWith(`${key} `)).map((line) => line.slice(key.length + 1));
  const [system] = valuesOf('system');
  const [home] = valuesOf('home');
  const [agentPath] = valuesOf('agent');
  if (system === undefined || home === undefined || agentPath === undefined) {
    throw new TransportError(
      'noShell',
      `The device’s shell could not look around: ${lastLine(stderr) || 'it printed nothing'}.`,
      { remedy: 'Check that its /bin/sh is a POSIX shell.' },
    );
  }
  const node = chooseNode(valuesOf('node'), valuesOf('broken'));
  return { system, home, node, agentPath, present: valuesOf('sum')[0] === sha256 };
}

/** The newest Node of the device. Takes `VERSION PATH` of those that run and the paths of those that do not. */
function chooseNode(found: readonly string[], broken: readonly string[]): string {
  const versions = found.flatMap((line) => {
    const match = /^(\d+)\.(\d+)\.(\d+)\S* (.+)$/.exec(line);
    return match === null
      ? []
      : [{ major: Number(match[1]), minor: Number(match[2]), path: match[4] ?? '' }];
  });
  const [best] = versions.sort((a, b) => b.major - a.major || b.minor - a.minor);
  if (best === undefined) {
    const why = broken[0] === undefined ? '' : ` that runs: ${broken[0]} does not start`;
    throw new TransportError('noNode', `The device has no Node.js${why}.`, {
      remedy: `Install Node.js ${oldestNode} or newer there (see https://nodejs.org/en/download).`,
    });
  }
  if (best.major < oldestNode) {
    throw new TransportError(
      'nodeTooOld',
      `The device’s Node.js is ${best.major}.${best.minor} (${best.path}); Flick needs ${oldestNode} or newer.`,
      { remedy: 'Install a newer Node.js there; Flick also finds those of nvm, fnm and volta.' },
    );
  }
  return best.path;
}

/** Unpacks standard input into a file and says how much of it has come. */
const receiver = `
const { createWriteStream } = require("fs");
let got = 0;
process.stdin.on("data", (part) => console.log("got " + (got += part.length)));
require("stream").pipeline(
  process.stdin, require("zlib").createGunzip(), createWriteStream(process.argv[1], { mode: 0o600 }),
  (error) => { if (error) { console.error(error.message); process.exit(1); } });`;

/**
 * Writes the agent beside its place, checks what arrived, moves it there, and drops all but the last older one.
 * `$1` agent, `$2` SHA-256, `$3` node, `$4` home
 */
const pushScript = `
export LC_ALL=C
umask 077
node=$3
${sha256Function}
folder=\${1%/*}
new="$1.$$"
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$folder" && chmod 700 "$4" "$4/agent" "$folder" || exit 1
"$node" -e '${receiver}' "$new" || exit 1
sum=$(sha256 "$new")
[ "$sum" = "$2" ] || { echo "the copy has the checksum \${sum:-(none)}, not $2" >&2; exit 1; }
chmod 600 "$new" && mv -f "$new" "$1" || exit 1
cd "$folder/.." || exit 0
ls -1t | tail -n +3 | while read -r old; do rm -rf "./$old"; done
exit 0
`;

/** @throws {TransportError} `noSpace`, `agentPush` */
export async function push(
  run: RunScript,
  found: Probe,
  agent: AgentFile,
  progress: (percent: number) => void,
): Promise<void> {
  const { agentPath, node, home } = found;
  const words = [agentPath, agent.sha256, node, home];
  const parcel = new Parcel(await promisify(gzip)(agent.bytes), progress);
  const { exitCode, stderr } = await run(pushScript, words, {
    input: Readable.from(parcel.parts(), { objectMode: false, highWaterMark: pushPart }),
    onOutput: (printed) => parcel.hear(printed),
  });
  if (exitCode === 0) return;
  const full = spaceProblem(stderr, agentPath);
  if (full !== undefined) throw full;
  const [why, remedy] = /read-only file system/i.test(stderr)
    ? [`${home} cannot be written`, 'Make its file system writable, or set FLICK_HOME there.']
    : /permission denied/i.test(stderr)
      ? [`you may not write ${home}`, 'Give that folder back to your user there (chown).']
      : [lastLine(stderr) || 'it ended early', 'Check that your home folder there can be written.'];
  throw new TransportError(
    'agentPush',
    `The agent could not be copied to ${agentPath} on the device: ${why}.`,
    { remedy },
  );
}

/** Bytes that are handed out no faster than the other side takes them. */
class Parcel {
  readonly #bytes: Buffer;
  readonly #progress: (percent: number) => void;
  #got = 0;
  #wake: () => void = () => undefined;
  #toldAt = performance.now();

  constructor(bytes: Buffer, progress: (percent: number) => void) {
    this.#bytes = bytes;
    this.#progress = progress;
  }

  /** @param printed all that the receiver has said */
  hear(printed: string): void {
    const [, got] = /got (\d+)\n[^\n]*$/.exec(printed) ?? [];
    this.#got = Math.max(this.#got, Number(got ?? 0));
    this.#wake();
    if (performance.now() < this.#toldAt + tellEvery) return;
    this.#toldAt = performance.now();
    this.#progress(Math.floor((this.#got / this.#bytes.length) * 100));
  }

  async *parts(): AsyncGenerator<Buffer, void> {
    for (let sent = 0; sent < this.#bytes.length;) {
      while (sent - this.#got >= pushWindow) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      yield this.#bytes.subarray(sent, sent + pushPart);
      sent += pushPart;
    }
  }
}

/** @throws {TransportError} `noSpace`, `agentStart` */
export async function start(run: RunScript, found: Probe): Promise<AgentHello> {
  const { stdout, stderr } = await run('exec "$1" "$2" start', [found.node, found.agentPath]);
  const hello = readHello(stdout);
  if (hello !== undefined) return hello;
  throw (
    spaceProblem(stderr, found.home) ??
    new TransportError(
      'agentStart',
      `The agent did not start: ${lastLine(stderr) || 'it said nothing'}`,
      { remedy: `Its log is ${found.home}/agent.log on the device.` },
    )
  );
}

/** Shell tools tell an error only by its text, which `LC_ALL=C` keeps the same everywhere; Node adds the error's name. */
function spaceProblem(stderr: string, path: string): TransportError | undefined {
  const isQuota = /Disk quota exceeded|EDQUOT/.test(stderr);
  if (!isQuota && !/No space left on device|ENOSPC/.test(stderr)) return undefined;
  const what = isQuota ? 'Your disk quota on the device is used up' : 'The device’s disk is full';
  return new TransportError('noSpace', `${what}: nothing could be written to ${path}.`, {
    remedy: 'Free some space there and connect again.',
  });
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
