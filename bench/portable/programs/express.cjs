// The Express application of the corpus, with a heartbeat.
require('../../../test/corpus/real/programs/express.cjs');
require('./heartbeat.cjs');
