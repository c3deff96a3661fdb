// What a move costs is told by the program itself: a beat is due every few milliseconds, and a gap between two is a
// standstill. The wall clock, since the monotonic one of another process is another.
const dueMs = 2;
const noticeableMs = 12;
let last = Date.now();
setInterval(() => {
  const now = Date.now();
  if (now - last > noticeableMs) console.log(JSON.stringify({ gap: now - last, until: now }));
  last = now;
}, dueMs);
