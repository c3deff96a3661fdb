// Must survive: an async function that is suspended in nested labelled loops and leaves them later
const pause = (ms) => new Promise((done) => setTimeout(done, 2 * ms));
async function search(grid) {
  const seen = [];
  let skipped = 0;
  rows: for (let row = 0; row < grid.length; row += 1) {
    let column = -1;
    cells: while (true) {
      column += 1;
      await pause(5);
      if (column >= grid[row].length) continue rows;
      const cell = grid[row][column];
      block: {
        if (cell % 5 === 0) break block;
        await pause(3);
        if (cell % 7 === 0) break cells;
        if (cell % 11 === 0) continue rows;
        skipped += 1;
        do {
          if (skipped > 30) break rows;
          await pause(2);
        } while (skipped % 4 === 1 && ++skipped);
      }
      seen.push(cell);
      console.log(row, column, cell, skipped);
    }
    console.log('row', row, 'left by a multiple of seven');
  }
  return { seen, skipped };
}
const grid = Array.from({ length: 12 }, (_, row) =>
  Array.from({ length: 6 }, (_, column) => row * 6 + column + 1),
);
search(grid).then(({ seen, skipped }) => {
  console.log('end', seen.join(), skipped);
  process.exitCode = seen.length % 200;
});
