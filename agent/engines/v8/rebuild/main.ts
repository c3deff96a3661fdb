process.stderr.write('This program cannot be rebuilt.\n');
process.exit(70);
