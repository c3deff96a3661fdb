// Puts a text into a block store and prints its digest: for Node.js versions other than the one that runs the tests.
import { openBlocks } from './support.ts';

const [folder = '', text = ''] = process.argv.slice(2);
const store = await openBlocks(folder);
console.log(await store.put(Buffer.from(text)));
