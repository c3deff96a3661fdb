import * as v from 'valibot';
import { agentHello, type AgentHello } from '../../protocol/index.ts';

/** What `agent.cjs start` printed, whatever else its Node printed before (warnings). */
export function readHello(stdout: string): AgentHello | undefined {
  for (const line of stdout.split('\n').reverse()) {
    if (!line.startsWith('{')) continue;
    const parsed = v.safeParse(agentHello, parseJson(line));
    if (parsed.success) return parsed.output;
  }
  return undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
