/* What a connection may ask for. The table of requests is in README.md. */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

struct request {
  struct conn *c;
  uint32_t tag;
  struct reader r;
};

static void fail(struct request *q, int error, int stage, const char *what) {
  char text[256];
  snprintf(text, sizeof text, "%s: %s", what, strerror(error));
  size_t frame = frame_begin(&q->c->out, ANS_ERROR);
  put_u32(&q->c->out, q->tag);
  put_u32(&q->c->out, (uint32_t)error);
  put_u8(&q->c->out, (uint8_t)stage);
  put_str(&q->c->out, text);
  frame_end(&q->c->out, frame);
}

static size_t reply(struct request *q) {
  size_t frame = frame_begin(&q->c->out, ANS_REPLY);
  put_u32(&q->c->out, q->tag);
  return frame;
}

static void done(struct request *q) { frame_end(&q->c->out, reply(q)); }

static void state(struct request *q) {
  struct buf *out = &q->c->out;
  char hold[64];
  uint32_t count = 0;
  bool ended = K.app_state == APP_EXITED || K.app_state == APP_DEPARTED;
  size_t frame = reply(q);
  put_u32(out, (uint32_t)K.app);
  put_u8(out, (uint8_t)K.app_state);
  put_u32(out, ended && WIFEXITED(K.app_status) ? (uint32_t)WEXITSTATUS(K.app_status) : 0);
  put_u32(out, ended && WIFSIGNALED(K.app_status) ? (uint32_t)WTERMSIG(K.app_status) : 0);
  put_u64(out, K.ring_start);
  put_u64(out, K.ring_end);
  put_u16(out, K.cols);
  put_u16(out, K.rows);
  put_u64(out, K.tty_rdev);
  put_u64(out, K.tty_dev);
  put_u32(out, (uint32_t)getpid());
  put_u32(out, K.info | (lazy_possible() ? INFO_LAZY : 0));
  put_u32(out, (uint32_t)buf_pending(&K.input));
  snprintf(hold, sizeof hold, "/proc/%d/exe", (int)getpid());
  put_str(out, hold);
  for (int i = 0; i < MAX_JOBS; i++) count += K.jobs[i].id != 0;
  put_u32(out, count);
  for (int i = 0; i < MAX_JOBS; i++) {
    struct job *j = &K.jobs[i];
    if (!j->id) continue;
    bool over = j->phase == PHASE_DONE;
    put_u32(out, j->id);
    put_u32(out, (uint32_t)j->pid);
    put_u8(out, j->kind);
    put_u8(out, j->phase);
    put_u8(out, j->pinned);
    put_u8(out, j->go_on);
    put_u32(out, over && WIFEXITED(j->status) ? (uint32_t)WEXITSTATUS(j->status) : 0);
    put_u32(out, over && WIFSIGNALED(j->status) ? (uint32_t)WTERMSIG(j->status) : 0);
  }
  frame_end(out, frame);
}

static void launch(struct request *q) {
  uint16_t cols = get_u16(&q->r), rows = get_u16(&q->r);
  char *cwd = get_str(&q->r), *program = get_str(&q->r), **argv = get_list(&q->r), **env = get_list(&q->r);
  /* An earlier agent does not say it. */
  uint16_t reserved = q->r.left ? get_u16(&q->r) : 0;
  int stage;
  if (q->r.bad || !argv[0]) fail(q, EINVAL, STAGE_SETUP, "launch");
  else if (K.info & INFO_GUARD) fail(q, EOPNOTSUPP, STAGE_SETUP, "launch in a guard");
  else if (K.app_state != APP_NONE || jobs_active()) fail(q, EBUSY, STAGE_SETUP, "launch");
  else {
    pty_resize(cols, rows);
    pid_t pid = spawn_app(program, argv, env, cwd, reserved, &stage);
    if (pid < 0) fail(q, -pid, stage, stage == STAGE_CWD ? cwd : program);
    else {
      app_track(pid);
      size_t frame = reply(q);
      put_u32(&q->c->out, (uint32_t)pid);
      frame_end(&q->c->out, frame);
    }
  }
  free(cwd);
  free(program);
  free_list(argv);
  free_list(env);
}

static char **with_hold(char **env, const struct job *j) {
  size_t n = 0;
  while (env[n]) n++;
  env = must_alloc(realloc(env, (n + 4) * sizeof *env));
  if (asprintf(&env[n], "FLICK_HOLD_AT=%s", j->kind == KIND_DUMP ? "post-dump" : "post-restore") < 0 ||
      asprintf(&env[n + 1], "FLICK_HOLD_DIR=%s", K.dir) < 0 || asprintf(&env[n + 2], "FLICK_HOLD_JOB=%u", j->id) < 0)
    abort();
  env[n + 3] = NULL;
  return env;
}

static void start_job(struct request *q, struct job *j, struct exec_spec *spec) {
  bool pty = spec->flags & (EXEC_SESSION_ON_PTY | EXEC_PTY_FD);
  if (!j) return fail(q, EAGAIN, STAGE_SETUP, "exec");
  j->has_hold = spec->flags & EXEC_HOLD;
  j->stays = spec->flags & EXEC_STAYS;
  j->leader = spec->flags & EXEC_SESSION_ON_PTY;
  j->track = spec->track;
  if (pty && K.info & INFO_GUARD) {
    j->id = 0;
    return fail(q, EOPNOTSUPP, STAGE_SETUP, "pty of a guard");
  }
  if (j->has_hold) spec->env = with_hold(spec->env, j);
  int stage;
  j->pid = spawn_exec(spec, &j->leader_pipe, &stage);
  if (j->pid < 0) {
    int error = -j->pid;
    j->id = 0;
    return fail(q, error, stage, stage == STAGE_EXEC ? spec->argv[0] : spec->output);
  }
  j->owner = q->c;
  if (j->kind == KIND_RESTORE && spec->track > 0) {
    if (spec->track != K.app) forget_orphan(spec->track);
    app_track(spec->track);
  }
  size_t frame = reply(q);
  put_u32(&q->c->out, j->id);
  put_u32(&q->c->out, (uint32_t)j->pid);
  frame_end(&q->c->out, frame);
}

static void exec_(struct request *q) {
  struct exec_spec spec = {.flags = get_u32(&q->r)};
  uint8_t kind = get_u8(&q->r);
  spec.last_pid = get_u32(&q->r);
  spec.track = (pid_t)get_u32(&q->r);
  spec.output = get_str(&q->r);
  spec.argv = get_list(&q->r);
  spec.env = get_list(&q->r);
  bool holdable = kind == KIND_DUMP || kind == KIND_RESTORE;
  if (q->r.bad || !spec.argv[0] || kind > KIND_RESTORE || (spec.flags & EXEC_HOLD && !holdable) ||
      (spec.flags & EXEC_SESSION_ON_PTY && (kind != KIND_RESTORE || spec.track <= 0)))
    fail(q, EINVAL, STAGE_SETUP, "exec");
  /* An app that was launched can be one that is restored: it then builds itself and waits (park.c). */
  else if (kind == KIND_RESTORE && K.app_state != APP_NONE && !(K.app_state == APP_RUNNING && spec.track == K.app))
    fail(q, EBUSY, STAGE_SETUP, "restore");
  /* criu would take pages that are still to be installed for pages that never were. */
  else if (kind == KIND_DUMP && lazy_active()) fail(q, EBUSY, STAGE_SETUP, "dump before all pages are in place");
  else {
    struct job *j = job_new();
    if (j) j->kind = kind;
    start_job(q, j, &spec);
  }
  free(spec.output);
  free_list(spec.argv);
  free_list(spec.env);
}

static void verdict(struct request *q) {
  struct job *j = job_find(get_u32(&q->r));
  uint8_t go_on = get_u8(&q->r);
  if (q->r.bad || go_on > 1) return fail(q, EINVAL, 0, "verdict");
  if (!j || !j->has_hold) return fail(q, ESRCH, 0, "verdict");
  bool again = j->phase == PHASE_DECIDED && j->go_on == go_on;
  if (!again && (j->phase >= PHASE_DECIDED || (go_on && j->phase != PHASE_HELD))) return fail(q, EALREADY, 0, "verdict");
  /* First the answer: a verdict on a tree that stands without criu may be the keeper's end. */
  done(q);
  if (!again) job_verdict(j, go_on);
}

static void pin(struct request *q) {
  struct job *j = job_find(get_u32(&q->r));
  if (q->r.bad) return fail(q, EINVAL, 0, "pin");
  if (!j || j->phase != PHASE_HELD) return fail(q, ESRCH, 0, "pin");
  if (!job_pin(j)) return fail(q, ESRCH, 0, "pin");
  done(q);
}

static void claim(struct request *q) {
  struct job *j = job_find(get_u32(&q->r));
  if (q->r.bad || !j) return fail(q, ESRCH, 0, "claim");
  j->owner = q->c;
  done(q);
  if (j->phase == PHASE_HELD || j->phase == PHASE_DONE) job_tell(j);
}

static void announce(struct request *q) {
  struct job *j = job_find(get_u32(&q->r));
  char *action = get_str(&q->r);
  if (q->r.bad || !j || !j->has_hold || j->phase != PHASE_RUNNING) fail(q, ESRCH, 0, "announce");
  else job_announce(j, q->c, q->tag, action);
  free(action);
}

static void input(struct request *q) {
  if (K.master < 0) return fail(q, EOPNOTSUPP, 0, "input");
  if (buf_pending(&K.input) + q->r.left > MAX_INPUT) return fail(q, ENOBUFS, 0, "input");
  buf_put(&K.input, q->r.at, q->r.left);
  pty_flush_input();
  done(q);
}

static void resize(struct request *q) {
  uint16_t cols = get_u16(&q->r), rows = get_u16(&q->r);
  if (q->r.bad || K.master < 0) return fail(q, EINVAL, 0, "resize");
  pty_resize(cols, rows);
  done(q);
}

static void signal_(struct request *q) {
  int number = (int)get_u32(&q->r);
  uint8_t target = get_u8(&q->r);
  pid_t group = 0;
  if (q->r.bad || number < 0 || number >= NSIG || target > TARGET_ALL) return fail(q, EINVAL, 0, "signal");
  if (K.info & INFO_GUARD) return fail(q, EOPNOTSUPP, 0, "signal");
  if (target == TARGET_APP && (K.app <= 0 || K.app_state != APP_RUNNING)) return fail(q, ESRCH, 0, "signal");
  if (target == TARGET_FOREGROUND && (ioctl(K.master, TIOCGPGRP, &group) || group <= 1))
    return fail(q, ESRCH, 0, "signal");
  pid_t to = target == TARGET_APP ? K.app : -group;
  if (target == TARGET_ALL ? signal_cell(number) : kill(to, number)) return fail(q, errno, 0, "signal");
  done(q);
}

static void subscribe(struct request *q) {
  uint64_t from = get_u64(&q->r);
  if (q->r.bad) return fail(q, EINVAL, 0, "subscribe");
  q->c->offset = from > K.ring_end ? K.ring_end : from < K.ring_start ? K.ring_start : from;
  q->c->subscribed = true;
  size_t frame = reply(q);
  put_u64(&q->c->out, q->c->offset);
  frame_end(&q->c->out, frame);
}

static void preload(struct request *q) {
  uint64_t base = get_u64(&q->r);
  if (q->r.bad || !K.ring_cap) return fail(q, EINVAL, 0, "preload");
  if (K.app_state != APP_NONE && K.app_state != APP_RESTORING) return fail(q, EBUSY, 0, "preload");
  /* Frames are bounded, a scrollback need not be: a later piece goes on where the one before it ended. */
  if (base != K.ring_end) K.ring_start = K.ring_end = base;
  ring_append(q->r.at, q->r.left);
  done(q);
}

static void hush(struct request *q) {
  uint32_t ms = get_u32(&q->r);
  if (q->r.bad || ms > MAX_HUSH_MS) return fail(q, EINVAL, 0, "hush");
  if (K.master < 0) return fail(q, EOPNOTSUPP, 0, "hush");
  /* What was written before somebody asked for the end still belongs to the hush. */
  pty_drain();
  hush_set(ms);
  done(q);
}

static void lazy(struct request *q) {
  char *folder = get_str(&q->r);
  const char *what = "lazy";
  int error = q->r.bad ? EINVAL : K.app_state != APP_NONE ? EBUSY : lazy_open(folder, q->c, &what);
  if (error) fail(q, error, 0, what);
  else done(q);
  free(folder);
}

static void arrived(struct request *q) {
  int error = lazy_arrived(q->r);
  if (error) fail(q, error, 0, "arrived");
  else done(q);
}

static void lazy_state_(struct request *q) {
  if (!lazy_known()) return fail(q, ESRCH, 0, "post-copy");
  size_t frame = reply(q);
  lazy_state(&q->c->out, q->c);
  frame_end(&q->c->out, frame);
}

void handle_frame(struct conn *c, uint8_t type, const uint8_t *payload, size_t n) {
  struct request q = {.c = c, .r = {.at = payload, .left = n}};
  q.tag = get_u32(&q.r);
  if (q.r.bad) {
    c->broken = true;
    return;
  }
  switch (type) {
  case REQ_STATE: return state(&q);
  case REQ_LAUNCH: return launch(&q);
  case REQ_EXEC: return exec_(&q);
  case REQ_VERDICT: return verdict(&q);
  case REQ_PIN: return pin(&q);
  case REQ_CLAIM: return claim(&q);
  case REQ_ANNOUNCE: return announce(&q);
  case REQ_INPUT: return input(&q);
  case REQ_RESIZE: return resize(&q);
  case REQ_SIGNAL: return signal_(&q);
  case REQ_SUBSCRIBE: return subscribe(&q);
  case REQ_PRELOAD: return preload(&q);
  case REQ_HUSH: return hush(&q);
  case REQ_LAZY: return lazy(&q);
  case REQ_ARRIVED: return arrived(&q);
  case REQ_LAZY_STATE: return lazy_state_(&q);
  case REQ_TRACK: {
    pid_t pid = (pid_t)get_u32(&q.r);
    if (q.r.bad || pid <= 1 || (K.app_state != APP_NONE && K.app_state != APP_RESTORING))
      return fail(&q, EINVAL, 0, "track");
    done(&q);
    return app_track(pid);
  }
  case REQ_UNSUBSCRIBE:
    c->subscribed = false;
    return done(&q);
  case REQ_SHUTDOWN:
    done(&q);
    conn_flush(c);
    leave(0);
  default: c->broken = true;
  }
}
