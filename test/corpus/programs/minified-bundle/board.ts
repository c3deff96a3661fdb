const neighbours = [-1, 0, 1].flatMap((dx) => [-1, 0, 1].map((dy) => [dx, dy] as const));
export class Board {
  #cells: Uint8Array;
  readonly width: number;
  readonly height: number;
  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.#cells = new Uint8Array(width * height);
  }
  #at(x: number, y: number): number {
    const column = (x + this.width) % this.width;
    const row = (y + this.height) % this.height;
    return this.#cells[row * this.width + column] ?? 0;
  }
  place(pattern: readonly string[], x: number, y: number): void {
    for (const [row, line] of pattern.entries()) {
      for (const [column, cell] of [...line].entries()) {
        this.#cells[(y + row) * this.width + x + column] = cell === '#' ? 1 : 0;
      }
    }
  }
  advance(): void {
    this.#cells = this.#cells.map((cell, index) => {
      const [x, y] = [index % this.width, Math.floor(index / this.width)];
      const count = neighbours.reduce((sum, [dx, dy]) => sum + this.#at(x + dx, y + dy), -cell);
      return count === 3 || (cell === 1 && count === 2) ? 1 : 0;
    });
  }
  get alive(): number {
    return this.#cells.reduce((sum, cell) => sum + cell, 0);
  }
  digest(): string {
    return this.#cells.reduce((hash, cell) => (hash * 33 + cell) >>> 0, 5381).toString(16);
  }
  toString(): string {
    const rows = Array.from({ length: this.height }, (_, y) =>
      Array.from({ length: this.width }, (_unused, x) => ' #'[this.#at(x, y)]).join(''),
    );
    return rows.join('\n');
  }
}
