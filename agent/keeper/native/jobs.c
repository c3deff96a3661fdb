/* Children and what their end means: criu's jobs with their hold and verdict, the app, orphans. */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ends of children that nobody had claimed yet: a restored app may end before it is tracked. */
enum { MAX_ORPHANS = 64 };
static struct { pid_t pid; int status; } orphans[MAX_ORPHANS];
static unsigned next_orphan;

/* Everything in the cell but this process. Never in a guard; without namespaces -1 would be the whole device. */
int signal_cell(int signal) {
  if (K.info & INFO_GUARD) return 0;
  if (!(K.info & INFO_PLAIN)) return kill(-1, signal);
  pid_t *tree = process_tree(getpid());
  signal_list(tree + 1, signal);
  free(tree);
  return 0;
}

void kill_cell(void) { signal_cell(SIGKILL); }

struct job *job_find(uint32_t id) {
  for (int i = 0; id && i < MAX_JOBS; i++)
    if (K.jobs[i].id == id) return &K.jobs[i];
  return NULL;
}

/* A cleared entry, in the place of the oldest finished one when none is free; NULL when all run. */
struct job *job_new(void) {
  struct job *best = NULL;
  for (int i = 0; i < MAX_JOBS; i++) {
    struct job *j = &K.jobs[i];
    if (j->id && (j->phase != PHASE_DONE || j->leader_pipe >= 0)) continue;
    if (!best || j->id < best->id) best = j;
  }
  if (!best) return NULL;
  free(best->stopped);
  *best = (struct job){.id = ++K.next_job, .leader_pipe = -1};
  return best;
}

bool jobs_active(void) {
  for (int i = 0; i < MAX_JOBS; i++)
    if (K.jobs[i].id && K.jobs[i].phase != PHASE_DONE) return true;
  return false;
}

/* A dump that runs decides what the death of the app means, once it has ended. */
static bool dump_active(void) {
  for (int i = 0; i < MAX_JOBS; i++)
    if (K.jobs[i].id && K.jobs[i].kind == KIND_DUMP && K.jobs[i].phase != PHASE_DONE) return true;
  return false;
}

/* Sends the owner what it has to know of the job now: that it holds, or that it is done. */
void job_tell(struct job *j) {
  if (!j->owner) return;
  struct buf *out = &j->owner->out;
  bool done = j->phase == PHASE_DONE;
  size_t frame = frame_begin(out, done ? EVT_EXEC_DONE : EVT_HELD);
  put_u32(out, j->id);
  if (!done) put_str(out, j->action);
  else {
    put_u32(out, WIFEXITED(j->status) ? (uint32_t)WEXITSTATUS(j->status) : 0);
    put_u32(out, WIFSIGNALED(j->status) ? (uint32_t)WTERMSIG(j->status) : 0);
  }
  frame_end(out, frame);
}

static void answer_hold(struct job *j, bool go_on) {
  if (!j->hold) return;
  size_t frame = frame_begin(&j->hold->out, ANS_REPLY);
  put_u32(&j->hold->out, j->hold->hold_tag);
  put_u8(&j->hold->out, go_on);
  frame_end(&j->hold->out, frame);
  conn_flush(j->hold);
}

void job_announce(struct job *j, struct conn *hold, uint32_t tag, const char *action) {
  hold->hold_job = j->id;
  hold->hold_tag = tag;
  j->hold = hold;
  j->phase = PHASE_HELD;
  j->traced = j->kind == KIND_DUMP && j->track > 0 && is_traced(j->track);
  snprintf(j->action, sizeof j->action, "%s", action);
  pty_settle(1); /* so that the scrollback a client reads now is all that the frozen app has written */
  if (j->leader && j->kind == KIND_RESTORE) kill(j->pid, SIGUSR1);
  if (j->abort_early || (!j->owner && !j->pinned) || (j->kind == KIND_RESTORE && !lazy_complete())) job_verdict(j, false);
  else job_tell(j);
}

void job_verdict(struct job *j, bool go_on) {
  if (j->phase == PHASE_RUNNING) {
    j->abort_early = true;
    return;
  }
  if (j->phase != PHASE_HELD) return;
  j->phase = PHASE_DECIDED;
  j->go_on = go_on;
  if (!go_on) {
    /* Takes back the SIGSTOP of job_pin before criu lets the tree run: it never saw it. */
    signal_list(j->stopped, SIGCONT);
    j->pinned = false;
  }
  if (j->bereft) job_ended(j, go_on ? 0 : j->status);
  else answer_hold(j, go_on);
}

/*
 * From now on the tree belongs to another device until a verdict says otherwise. Should criu be killed while it holds,
 * its tasks would run on at once: a pending SIGSTOP catches them before their next instruction, and the job goes on being
 * held, since somebody may still need their memory. criu kills them anyhow when it goes on. False when criu was killed
 * already, so that they may have run since: they run on then.
 */
bool job_pin(struct job *j) {
  if (j->pinned) return true;
  if (j->kind == KIND_DUMP && !j->stays && j->track > 0) {
    j->stopped = process_tree(j->track);
    signal_list(j->stopped, SIGSTOP);
    if (j->traced && !all_traced(j->stopped)) {
      signal_list(j->stopped, SIGCONT);
      return false;
    }
  }
  return j->pinned = true;
}

static bool ended_well(const struct job *j) { return WIFEXITED(j->status) && WEXITSTATUS(j->status) == 0; }

/* criu went while it held a tree that stands still by itself: the verdict is still to come. */
static bool stands_without(const struct job *j) {
  return j->kind == KIND_DUMP && j->phase == PHASE_HELD && j->pinned && !j->stays && !j->bereft && !ended_well(j);
}

static void dump_ended(struct job *j) {
  bool released = !j->stays && (ended_well(j) || j->pinned);
  if (released) {
    if (K.info & INFO_GUARD) {
      signal_list(j->stopped, SIGKILL);
      write_record("departed", "", 0, "", 0);
      return;
    }
    if (K.app_state == APP_RUNNING && (j->track == K.app || j->track == 0)) finish(true);
    return;
  }
  if (K.app_reaped) app_ended(K.app_status);
}

static void child_ended(pid_t pid, int status);

/* Killed while it held, criu leaves its half-made copy behind. It must be gone before anybody hears of the end: another
 * restore would use the same PIDs, and the death of the old copy must not be taken for that of the next. */
static void empty_cell(void) {
  K.app = 0;
  K.app_state = APP_NONE;
  K.app_reaped = false;
  if (K.info & INFO_GUARD) return;
  for (uint64_t end = now_ms() + 5000; now_ms() < end;) {
    int status;
    kill_cell();
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0) break;
    if (pid > 0) child_ended(pid, status);
    else poll(NULL, 0, 2);
  }
}

static void restore_ended(struct job *j) {
  if (!ended_well(j)) {
    if (!j->owner && K.app_state == APP_NONE && !(K.info & INFO_GUARD)) leave(0);
  } else if (K.app_state == APP_RESTORING) {
    K.app_state = APP_RUNNING;
    if (K.app_reaped) app_ended(K.app_status);
  }
}

void job_ended(struct job *j, int status) {
  if (j->phase == PHASE_DONE) return;
  j->status = status;
  if (j->hold) j->hold->broken = true;
  j->hold = NULL;
  if (stands_without(j)) {
    j->bereft = true;
    return;
  }
  j->phase = PHASE_DONE;
  if (j->kind == KIND_RESTORE && !ended_well(j) && (K.app_state == APP_RESTORING || lazy_active())) empty_cell();
  /* Only now that nobody is left who could read a page that is missing. */
  if (j->kind == KIND_RESTORE && !ended_well(j)) lazy_reset();
  job_tell(j);
  if (j->kind == KIND_DUMP) dump_ended(j);
  else if (j->kind == KIND_RESTORE) restore_ended(j);
}

/* The app's end counts at once, unless a restore still makes it or a dump may be what ended it. */
static void app_reaped(int status) {
  if (K.app_state == APP_RESTORING || dump_active()) {
    K.app_reaped = true;
    K.app_status = status;
  } else app_ended(status);
}

/* The session leader of a job tells how criu or the app below it ended. */
void job_leader_record(struct job *j) {
  uint32_t record[2];
  ssize_t n;
  while ((n = read(j->leader_pipe, record, sizeof record)) == (ssize_t)sizeof record) {
    if (record[0] == 0) job_ended(j, (int)record[1]);
    else app_reaped((int)record[1]);
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  close(j->leader_pipe);
  j->leader_pipe = -1;
}

/* A connection is gone: what it had not pinned is aborted, what it had stays for the next. */
void jobs_forget(struct conn *c) {
  bool owned = false;
  for (int i = 0; i < MAX_JOBS; i++) {
    struct job *j = &K.jobs[i];
    if (!j->id) continue;
    if (j->hold == c) j->hold = NULL;
    if (j->owner != c) continue;
    j->owner = NULL;
    owned = true;
    if (j->has_hold && !j->pinned && j->phase != PHASE_DONE) job_verdict(j, false);
  }
  if (owned && K.app_state == APP_NONE && !jobs_active() && !(K.info & INFO_GUARD)) leave(0);
}

static void child_ended(pid_t pid, int status) {
  for (int i = 0; i < MAX_JOBS; i++) {
    struct job *j = &K.jobs[i];
    /* criu has the same PID in one job after the other, lastPid being the same. */
    if (!j->id || j->pid != pid || j->reaped) continue;
    j->reaped = true;
    if (j->leader_pipe >= 0) job_leader_record(j);
    if (j->leader && j->phase == PHASE_DONE) return;
    job_ended(j, j->leader && status == 0 ? 1 << 8 : status);
    return;
  }
  if (pid != K.app) {
    orphans[next_orphan].pid = pid;
    orphans[next_orphan].status = status;
    next_orphan = (next_orphan + 1) % MAX_ORPHANS;
    return;
  }
  app_reaped(status);
}

void reap_children(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) child_ended(pid, status);
}

/* Before a restore: what had the PID until now is not what will have it. */
void forget_orphan(pid_t pid) {
  for (int i = 0; i < MAX_ORPHANS; i++)
    if (orphans[i].pid == pid) orphans[i].pid = 0;
}

/* Names the app. It counts as running once the restore that makes it has ended well. */
void app_track(pid_t pid) {
  bool restoring = false;
  for (int i = 0; i < MAX_JOBS; i++)
    restoring |= K.jobs[i].id && K.jobs[i].kind == KIND_RESTORE && K.jobs[i].phase != PHASE_DONE;
  K.app = pid;
  K.app_state = restoring ? APP_RESTORING : APP_RUNNING;
  K.app_reaped = false;
  for (int i = 0; i < MAX_ORPHANS; i++) {
    if (orphans[i].pid != pid) continue;
    orphans[i].pid = 0;
    K.app_reaped = true;
    K.app_status = orphans[i].status;
    if (!restoring) app_ended(K.app_status);
  }
}

void app_ended(int status) {
  K.app_status = status;
  finish(false);
}
