// Must survive: dates, invalid ones too, with properties of their own
const dates = [new Date(0), new Date(Date.UTC(1999, 11, 31, 23, 59, 59, 999)), new Date(NaN)];
dates[0].note = 'epoch';
const shared = dates[1];
const log = new Map([[shared, 'by identity']]);
Object.defineProperty(dates[2], 'hidden', { value: 'h' });
let turn = 0;
const timer = setInterval(() => {
  turn += 1;
  dates[0].setUTCDate(dates[0].getUTCDate() + turn);
  shared.setTime(shared.getTime() + 1);
  if (turn === 30) dates[2].setTime(1e12);
  console.log(turn, dates.map((date) => date.getTime()).join(), log.get(dates[1]));
  if (turn < 45) return;
  clearInterval(timer);
  console.log('end', JSON.stringify(dates), dates[0].note, dates[2].hidden, dates[1] === shared);
}, 22);
