// Saves and removes capsules for ever, until it is killed. Prints what has become durable, a line each.
import { CapsuleStore } from '../../../agent/capsules/capsuleStore.ts';
import { seededRandom } from '../../support/seed.ts';
import { addCapsule, noise, plenty } from './support.ts';

const [folder = '', staging = '', label = ''] = process.argv.slice(2);
const random = seededRandom(label);
const store = await CapsuleStore.open(folder, plenty);
process.stdout.write('open\n');
const ids = store.list().map((each) => each.id);
for (let number = 0; ; number += 1) {
  const id = `c-${label.padStart(4, '0')}${String(number).padStart(6, '0')}`;
  // Some of it is the same in every capsule, some only in this one.
  await addCapsule(store, staging, id, {
    file: noise('shared', 3000),
    image: Buffer.concat([noise('common', 1 << 20), noise(id, 5000)]),
  });
  ids.push(id);
  process.stdout.write(`saved ${id}\n`);
  if (random() < 0.4) {
    const [gone = ''] = ids.splice(Math.floor(random() * ids.length), 1);
    process.stdout.write(`removing ${gone}\n`);
    await store.remove(gone);
    process.stdout.write(`removed ${gone}\n`);
  }
}
