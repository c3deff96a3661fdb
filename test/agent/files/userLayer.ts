import { LayerWriter } from '../../../agent/files/layerWriter.ts';
import type { LayerPlan } from '../../../agent/files/layer.ts';
import { fileOf, folderOf } from './support.ts';

/**
 * Run as an ordinary user: `userLayer.ts LAYER BASE` places a few entries into a layer over BASE/home. Its own program
 * since a process cannot give up root for one test.
 */
const [layer, base] = process.argv.slice(2);
if (layer === undefined || base === undefined) throw new Error('usage: userLayer.ts LAYER BASE');
const plan: LayerPlan = {
  overlays: [{ mountPoint: '/home', upper: `${layer}/upper`, work: `${layer}/work` }],
  bare: [],
};
const writer = await LayerWriter.open(plan, { base });
await writer.place(folderOf('/home/dev', 0o700));
const entry = fileOf('/home/dev/a', 'carried', { mode: 0o4755, owner: { uid: 0, gid: 0 } });
const incoming = await writer.create(entry);
await incoming.write(Buffer.from('carried'), 0);
await incoming.accept();
await writer.place({ kind: 'deleted', path: '/home/theirs', role: 'carried' });
await writer.seal();
await writer.close();
process.stdout.write(JSON.stringify(writer.remarks));
