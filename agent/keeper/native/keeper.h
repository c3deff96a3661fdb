/*
 * flick-keeper: the first process of a cell. It makes the cell's namespaces, holds the pty master and the scrollback,
 * starts the app and criu as its own children, answers the agent on a unix socket and writes down how the app ended.
 * The contract, wire format included, is README.md one directory up.
 */
#ifndef FLICK_KEEPER_H
#define FLICK_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  MAX_PAYLOAD = 1 << 20,
  MAX_CONNECTIONS = 64,
  MAX_JOBS = 32,
  MAX_OVERLAYS = 32,
  MAX_BINDS = 512,
  MAX_TTY_INDEX = 1023,
  MAX_INPUT = 1 << 20,
  MAX_HUSH_MS = 600000,
  FIRST_PID = 300,  /* ns_last_pid of a fresh cell: lower PIDs stay free for criu on every later device */
  PAGE_SOCKET_FD = 8, /* where EXEC_PAGE_SOCKET puts its socket: dump --lazy-pages --ps-socket 8 */
  PTY_SLAVE_FD = 9, /* where EXEC_PTY_FD puts the slave: --inherit-fd fd[9]:tty[...] */
};

/* Frame types. Requests are below 128; their payload begins with a u32 tag that the answer repeats. */
enum {
  REQ_STATE = 1, REQ_LAUNCH, REQ_EXEC, REQ_VERDICT, REQ_PIN, REQ_TRACK, REQ_INPUT, REQ_RESIZE,
  REQ_SIGNAL, REQ_SUBSCRIBE, REQ_PRELOAD, REQ_SHUTDOWN, REQ_CLAIM, REQ_ANNOUNCE, REQ_UNSUBSCRIBE, REQ_HUSH,
  REQ_LAZY, REQ_ARRIVED, REQ_LAZY_STATE,
  ANS_REPLY = 128, ANS_ERROR, EVT_EXEC_DONE, EVT_HELD, EVT_OUTPUT, EVT_EXITED, EVT_WANTED, EVT_LAZY_DONE,
};

/*
 * EXEC_STAYS: a dump after which the process is meant to live on here (--leave-running). EXEC_URGENT: a process stands
 * still for as long as this takes, and nothing of it becomes that process with the priority that it has.
 */
enum {
  EXEC_SESSION_ON_PTY = 1, EXEC_PTY_FD = 2, EXEC_HOLD = 4, EXEC_STAYS = 8, EXEC_PAGE_SOCKET = 16, EXEC_URGENT = 32,
};
enum { KIND_PLAIN = 0, KIND_DUMP = 1, KIND_RESTORE = 2 };
enum { PHASE_RUNNING = 0, PHASE_HELD = 1, PHASE_DECIDED = 2, PHASE_DONE = 3 };
enum { APP_NONE = 0, APP_RUNNING = 1, APP_EXITED = 2, APP_DEPARTED = 3, APP_RESTORING = 4 };
enum { STAGE_NONE = 0, STAGE_CWD = 1, STAGE_EXEC = 2, STAGE_SETUP = 3 };
enum { TARGET_APP = 0, TARGET_FOREGROUND = 1, TARGET_ALL = 2 };
enum { INFO_USERNS = 1, INFO_OVERLAY = 2, INFO_GUARD = 4, INFO_EXPORTABLE = 8, INFO_HUSH = 16, INFO_LAZY = 32,
       INFO_PAGE_SOCKET = 64, INFO_PARK = 128, INFO_PLAIN = 256 };

/* --- wire.c: growing buffers, little-endian writing and checked reading ------------------------------------------- */
struct buf {
  uint8_t *data;
  size_t head, len, cap; /* bytes [head, len) are pending */
};
void buf_put(struct buf *b, const void *bytes, size_t n);
void buf_take(struct buf *b, size_t n);
static inline size_t buf_pending(const struct buf *b) { return b->len - b->head; }
void put_u8(struct buf *b, uint8_t v);
void put_u16(struct buf *b, uint16_t v);
void put_u32(struct buf *b, uint32_t v);
void put_u64(struct buf *b, uint64_t v);
void put_str(struct buf *b, const char *s);
size_t frame_begin(struct buf *b, uint8_t type);
void frame_end(struct buf *b, size_t at);

struct reader {
  const uint8_t *at;
  size_t left;
  bool bad; /* sticks once something was missing or malformed */
};
uint8_t get_u8(struct reader *r);
uint16_t get_u16(struct reader *r);
uint32_t get_u32(struct reader *r);
uint64_t get_u64(struct reader *r);
char *get_str(struct reader *r);
char **get_list(struct reader *r);
void free_list(char **list);
void *must_alloc(void *memory);

/* --- state ------------------------------------------------------------------------------------------------------- */
struct conn {
  int fd;
  struct buf in, out;
  bool broken, subscribed, told_end;
  uint64_t offset;     /* next scrollback byte to send */
  uint32_t hold_job;   /* set when this is the connection of a `hold`: the job it belongs to */
  uint32_t hold_tag;
};

struct job {
  uint32_t id; /* 0: free */
  pid_t pid;   /* criu itself, or the session leader above it */
  pid_t track; /* restore: the app's inner PID; dump: root of the tree that is dumped */
  int leader_pipe; /* -1, or records of the session leader: see spawn.c */
  struct conn *owner, *hold;
  uint8_t kind, phase;
  bool has_hold, stays, leader, reaped, pinned, go_on, abort_early;
  bool traced; /* criu holds the tree by tracing it */
  bool bereft; /* criu is gone, and its pinned tree stands still without it: a verdict ends the job */
  char action[32];
  int status; /* wait status, once done */
  pid_t *stopped; /* the tree given SIGSTOP when pinned, 0-terminated */
};

struct keeper {
  const char *dir;
  int dir_fd;
  int status_fd; /* to the launcher, until ready */
  uint32_t info;
  int in_uid, in_gid;
  uid_t also_uid; /* 0: none */
  /* pty */
  int master, slave;
  unsigned tty_index;
  uint64_t tty_rdev, tty_dev;
  uint16_t cols, rows;
  uint8_t *ring;
  size_t ring_cap;
  uint64_t ring_start, ring_end;
  struct buf input;
  /* app */
  pid_t app;
  int app_state, app_status;
  bool app_reaped;
  struct conn *conns[MAX_CONNECTIONS];
  struct job jobs[MAX_JOBS];
  uint32_t next_job;
};
extern struct keeper K;

/* --- the rooms --------------------------------------------------------------------------------------------------- */
struct overlay_spec { char *mount_point, *upper, *work; };
struct bind_spec { char *source, *target; bool read_only; };
struct cell_spec {
  bool userns;
  struct overlay_spec overlays[MAX_OVERLAYS];
  struct bind_spec binds[MAX_BINDS];
  int overlay_count, bind_count;
};

void logf_(const char *format, ...) __attribute__((format(printf, 1, 2)));
void setup_failed(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
int write_file(const char *path, const char *text);
uint64_t now_ms(void);

void enter_user_namespace(int in_uid, int in_gid);
void build_cell(struct cell_spec *spec);                                  /* cell.c */
void build_root(struct cell_spec *spec);                                  /* root.c */
struct mount_point { int id, parent; char *path; };
struct mount_table { struct mount_point *at; size_t count; };             /* mounts.c */
void read_mounts(struct mount_table *table);
const struct mount_point *mount_holding(const struct mount_table *table, const char *path);
bool is_below(const char *path, const char *above);
char *join(const char *a, const char *b);
void make_path(const char *path, bool directory);
void bind_mount(const char *source, const char *target, unsigned long flags);
void make_read_only(const char *target);
void mount_overlay(const struct overlay_spec *spec, const char *target);  /* overlay.c */
void overlay_tree(const struct overlay_spec *spec, const char *target, const struct mount_table *table);

#define NO_RING_PATH "/proc/tty/driver/flick-no-ring.so"
void place_no_ring(void);                                                 /* noRing.c */
void preload_no_ring(void);

void pty_open(size_t ring_bytes);                                         /* pty.c */
int tty_open_slave(int flags);
void pty_drain(void);
void pty_settle(int quiet_ms);
void pty_flush_input(void);
void pty_resize(uint16_t cols, uint16_t rows);
void ring_append(const uint8_t *bytes, size_t n);
void ring_copy(uint64_t from, uint8_t *to, size_t n);

void hush_set(uint32_t ms);                                               /* hush.c */
void hush_pass(const uint8_t *bytes, size_t n);
void hush_flush(void);
int hush_wait(int most);
void hush_tick(void);

/* spawn.c; -errno on failure */
pid_t spawn_app(const char *program, char **argv, char **env, const char *cwd, int reserved, int *stage);
struct exec_spec { uint32_t flags, last_pid; pid_t track; char *output; char **argv, **env; };
pid_t spawn_exec(const struct exec_spec *spec, int *leader_pipe, int *stage);

pid_t *process_tree(pid_t root);                                          /* tree.c */
void signal_list(const pid_t *pids, int signal);
bool is_traced(pid_t pid);
bool all_traced(const pid_t *pids);

struct job *job_find(uint32_t id);                                        /* jobs.c */
struct job *job_new(void);
void job_tell(struct job *j);
bool jobs_active(void);
void job_announce(struct job *j, struct conn *hold, uint32_t tag, const char *action);
void job_verdict(struct job *j, bool go_on);
bool job_pin(struct job *j);
void job_ended(struct job *j, int status);
void job_leader_record(struct job *j);
void jobs_forget(struct conn *c);
void reap_children(void);
void forget_orphan(pid_t pid);
void app_track(pid_t pid);
void app_ended(int status);
int signal_cell(int signal);
void kill_cell(void);

void finish(bool departed) __attribute__((noreturn));                     /* finish.c */
void leave(int code) __attribute__((noreturn));
void write_record(const char *name, const void *head, size_t head_bytes, const void *tail, size_t tail_bytes);

bool lazy_possible(void);                                                 /* lazyHost.c */
int lazy_open(const char *folder, struct conn *c, const char **what);      /* lazy.c */
int lazy_arrived(struct reader ranges);
bool lazy_known(void);
void lazy_state(struct buf *out, struct conn *c);
bool lazy_active(void);
bool lazy_complete(void);
void lazy_reset(void);
void lazy_forget(struct conn *c);
int lazy_fd(void);
int lazy_wait(int most);
void lazy_tick(void);

void handle_frame(struct conn *c, uint8_t type, const uint8_t *payload, size_t n); /* requests.c */
void conn_pump(struct conn *c);                                           /* serve.c */
void conn_flush(struct conn *c);
bool is_own(int fd);
void serve(void) __attribute__((noreturn));
int hold_main(void);                                                      /* hold.c */
bool await_verdict(const char *action);
int park_main(char **argv);                                               /* park.c */
int dirty_main(char **pids);                                              /* dirty.c */

#endif
