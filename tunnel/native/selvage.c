/*
 * The few system calls that Node cannot make: netlink sockets, TUN devices, packet sockets, setns,
 * datagrams to unix sockets, and one way to be told that any of them has something to read.
 *
 * A descriptor opened here is watched by `watch(fd, how, slab, table, headroom, callback)`. On a
 * wake-up this file reads datagram after datagram into the slab that JavaScript owns, notes
 * [offset, length] of each in the table, and calls back once with (count, errno). JavaScript uses
 * the bytes before it returns; nothing is allocated for a packet or a message. Policy (what to
 * send, what an error means, which namespace) is TypeScript's.
 *
 * Hazards met: a netlink socket that overflows raises POLLERR, for which libuv reports EBADF and
 * stops the poll handle: it is drained, reported as ENOBUFS and armed again. A handle still open
 * when the environment ends makes Node abort, hence the clean-up hook.
 *
 * Symbols used: Node-API version 8 and libuv (uv_poll_*, uv_close) only, so one binary serves every
 * Node from 20 on.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <node_api.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

/* The largest datagram: an IP packet has at most 65535 bytes, a netlink dump 32 KiB a datagram. */
#define DATAGRAM_MAX 65536u

enum how { HOW_NETLINK = 0, HOW_TUN = 1, HOW_PACKET = 2 };

struct watcher {
  uv_poll_t poll;
  napi_env env;
  napi_async_context context;
  napi_ref callback, slab_ref, table_ref;
  napi_async_cleanup_hook_handle hook;
  uint8_t *slab;
  uint32_t *table;
  size_t slab_size, table_pairs;
  uint32_t headroom;
  int fd;
  enum how how;
  bool closing;
};

static napi_value throw_text(napi_env env, const char *text) {
  napi_throw_type_error(env, NULL, text);
  return NULL;
}

/* Arguments: too few are undefined, and then fail their conversion. */
static bool args(napi_env env, napi_callback_info info, size_t wanted, napi_value *argv) {
  size_t argc = wanted;
  return napi_get_cb_info(env, info, &argc, argv, NULL, NULL) == napi_ok;
}

static napi_value number(napi_env env, int64_t value) {
  napi_value result;
  return napi_create_int64(env, value, &result) == napi_ok ? result : NULL;
}

/* A result, or the negative errno, as libuv's own calls give it. */
static napi_value result_or_errno(napi_env env, int64_t result) {
  return number(env, result < 0 ? -(int64_t)errno : result);
}

static bool typed_bytes(napi_env env, napi_value value, uint8_t **data, size_t *bytes) {
  napi_typedarray_type type;
  size_t length;
  void *raw;
  if (napi_get_typedarray_info(env, value, &type, &length, &raw, NULL, NULL) != napi_ok)
    return false;
  size_t width = type == napi_uint8_array ? 1 : type == napi_uint32_array ? 4 : 0;
  *data = raw;
  *bytes = length * width;
  return width != 0;
}

/* netlinkSocket(protocol, receiveBufferBytes, sendBufferBytes): fd or -errno */
static napi_value netlink_socket(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int32_t protocol, receive, send;
  if (!args(env, info, 3, argv) || napi_get_value_int32(env, argv[0], &protocol) != napi_ok ||
      napi_get_value_int32(env, argv[1], &receive) != napi_ok ||
      napi_get_value_int32(env, argv[2], &send) != napi_ok)
    return throw_text(env, "netlinkSocket(protocol, receiveBufferBytes, sendBufferBytes)");
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) return result_or_errno(env, -1);
  /* Without CAP_NET_ADMIN over the namespace the FORCE options fail; the plain ones are capped. */
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof receive) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive);
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send, sizeof send) < 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send, sizeof send);
  const int one = 1;
  struct sockaddr_nl self = {.nl_family = AF_NETLINK};
  if (setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one) < 0 ||
      setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one) < 0 ||
      setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one) < 0 ||
      bind(fd, (struct sockaddr *)&self, sizeof self) < 0) {
    int saved = errno;
    close(fd);
    errno = saved;
    return result_or_errno(env, -1);
  }
  return number(env, fd);
}

/* netlinkJoin(fd, group): 0 or -errno */
static napi_value netlink_join(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int32_t fd, group;
  if (!args(env, info, 2, argv) || napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
      napi_get_value_int32(env, argv[1], &group) != napi_ok)
    return throw_text(env, "netlinkJoin(fd, group)");
  return result_or_errno(
      env, setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group));
}

/* tunOpen(name, extraFlags): fd or -errno; extraFlags e.g. IFF_MULTI_QUEUE */
static napi_value tun_open(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  struct ifreq request = {0};
  size_t length;
  uint32_t flags;
  if (!args(env, info, 2, argv) ||
      napi_get_value_string_utf8(env, argv[0], request.ifr_name, IFNAMSIZ, &length) != napi_ok ||
      napi_get_value_uint32(env, argv[1], &flags) != napi_ok)
    return throw_text(env, "tunOpen(name, flags)");
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return result_or_errno(env, -1);
  request.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | flags);
  if (ioctl(fd, TUNSETIFF, &request) < 0) {
    int saved = errno;
    close(fd);
    errno = saved;
    return result_or_errno(env, -1);
  }
  return number(env, fd);
}

/* tunPersist(fd, 0 | 1): 0 or -errno */
static napi_value tun_persist(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int32_t fd, persist;
  if (!args(env, info, 2, argv) || napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
      napi_get_value_int32(env, argv[1], &persist) != napi_ok)
    return throw_text(env, "tunPersist(fd, persist)");
  return result_or_errno(env, ioctl(fd, TUNSETPERSIST, persist));
}

/* setns(fd): moves the calling thread into the network namespace; 0 or -errno */
static napi_value set_namespace(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  int32_t fd;
  if (!args(env, info, 1, argv) || napi_get_value_int32(env, argv[0], &fd) != napi_ok)
    return throw_text(env, "setns(fd)");
  return result_or_errno(env, setns(fd, CLONE_NEWNET));
}

/* packetSocket(receiveBufferBytes): fd or -errno; it hears nothing before `packetBind` */
static napi_value packet_socket(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  int32_t receive;
  if (!args(env, info, 1, argv) || napi_get_value_int32(env, argv[0], &receive) != napi_ok)
    return throw_text(env, "packetSocket(receiveBufferBytes)");
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof receive) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive);
  return result_or_errno(env, fd);
}

/* packetFilter(fd, program): classic BPF, an array of struct sock_filter; 0 or -errno */
static napi_value packet_filter(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int32_t fd;
  uint8_t *program;
  size_t bytes;
  if (!args(env, info, 2, argv) || napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
      !typed_bytes(env, argv[1], &program, &bytes) || bytes == 0 ||
      bytes % sizeof(struct sock_filter) != 0 ||
      bytes / sizeof(struct sock_filter) > BPF_MAXINSNS)
    return throw_text(env, "packetFilter(fd, program)");
  struct sock_fprog filter = {.len = (unsigned short)(bytes / sizeof(struct sock_filter)),
                              .filter = (struct sock_filter *)(void *)program};
  return result_or_errno(env,
                         setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter));
}

/* packetBind(fd, deviceIndex, etherType): device 0 is all of them; 0 or -errno */
static napi_value packet_bind(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int32_t fd, device;
  uint32_t protocol;
  if (!args(env, info, 3, argv) || napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
      napi_get_value_int32(env, argv[1], &device) != napi_ok ||
      napi_get_value_uint32(env, argv[2], &protocol) != napi_ok)
    return throw_text(env, "packetBind(fd, deviceIndex, etherType)");
  struct sockaddr_ll self = {.sll_family = AF_PACKET,
                             .sll_protocol = htons((uint16_t)protocol),
                             .sll_ifindex = device};
  return result_or_errno(env, bind(fd, (struct sockaddr *)&self, sizeof self));
}

/* packetSend(fd, frame, deviceIndex): a whole frame, link header included; bytes or -errno */
static napi_value packet_send(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int32_t fd, device;
  uint8_t *frame;
  size_t bytes;
  if (!args(env, info, 3, argv) || napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
      !typed_bytes(env, argv[1], &frame, &bytes) ||
      napi_get_value_int32(env, argv[2], &device) != napi_ok)
    return throw_text(env, "packetSend(fd, frame, deviceIndex)");
  struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = device};
  ssize_t sent;
  do sent = sendto(fd, frame, bytes, 0, (struct sockaddr *)&to, sizeof to);
  while (sent < 0 && errno == EINTR);
  return result_or_errno(env, sent);
}

/* packetDrops(fd): packets lost for want of room since it was asked last, or -errno */
static napi_value packet_drops(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  int32_t fd;
  struct tpacket_stats stats = {0};
  socklen_t length = sizeof stats;
  if (!args(env, info, 1, argv) || napi_get_value_int32(env, argv[0], &fd) != napi_ok)
    return throw_text(env, "packetDrops(fd)");
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length) < 0)
    return result_or_errno(env, -1);
  return number(env, stats.tp_drops);
}

/* deviceIndex(name): of the calling thread's network namespace, or -errno */
static napi_value device_index(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  char name[IFNAMSIZ];
  size_t length;
  if (!args(env, info, 1, argv) ||
      napi_get_value_string_utf8(env, argv[0], name, sizeof name, &length) != napi_ok)
    return throw_text(env, "deviceIndex(name)");
  unsigned index = if_nametoindex(name);
  return result_or_errno(env, index == 0 ? -1 : (int64_t)index);
}

/* deviceName(index): undefined when there is none */
static napi_value device_name(napi_env env, napi_callback_info info) {
  napi_value argv[1], result;
  uint32_t index;
  char name[IFNAMSIZ];
  if (!args(env, info, 1, argv) || napi_get_value_uint32(env, argv[0], &index) != napi_ok)
    return throw_text(env, "deviceName(index)");
  if (if_indextoname(index, name) == NULL) return NULL;
  if (napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &result) != napi_ok) return NULL;
  return result;
}

/* write(fd, bytes, offset, length): bytes written or -errno; one call, one datagram */
static napi_value write_datagram(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  int32_t fd;
  uint32_t offset, length;
  uint8_t *data;
  size_t size;
  if (!args(env, info, 4, argv) || napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
      !typed_bytes(env, argv[1], &data, &size) ||
      napi_get_value_uint32(env, argv[2], &offset) != napi_ok ||
      napi_get_value_uint32(env, argv[3], &length) != napi_ok ||
      (uint64_t)offset + length > size)
    return throw_text(env, "write(fd, bytes, offset, length)");
  ssize_t written;
  do written = write(fd, data + offset, length);
  while (written < 0 && errno == EINTR);
  return result_or_errno(env, written);
}

/*
 * unixDatagram(path, bytes): 0 or -errno. To the socket of the name of a file, or of a name without a
 * file (an abstract one), which is written with '@' before it. Never waits: a full queue is EAGAIN.
 */
static napi_value unix_datagram(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  size_t length, size;
  uint8_t *data;
  if (!args(env, info, 2, argv) ||
      napi_get_value_string_utf8(env, argv[0], NULL, 0, &length) != napi_ok ||
      !typed_bytes(env, argv[1], &data, &size))
    return throw_text(env, "unixDatagram(path, bytes)");
  /* Room for the zero that ends the string. */
  if (length == 0 || length >= sizeof to.sun_path) return number(env, -ENAMETOOLONG);
  if (napi_get_value_string_utf8(env, argv[0], to.sun_path, sizeof to.sun_path, &length) != napi_ok)
    return throw_text(env, "unixDatagram(path, bytes)");
  if (to.sun_path[0] == '@') to.sun_path[0] = 0;
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return result_or_errno(env, -1);
  /* The length counts: an abstract name has no end of its own. */
  socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
  ssize_t sent = sendto(fd, data, size, MSG_NOSIGNAL, (struct sockaddr *)&to, bytes);
  int saved = errno;
  close(fd);
  return number(env, sent < 0 ? -(int64_t)saved : 0);
}

/* closeFd(fd): of a descriptor that is not watched */
static napi_value close_fd(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  int32_t fd;
  if (!args(env, info, 1, argv) || napi_get_value_int32(env, argv[0], &fd) != napi_ok)
    return throw_text(env, "closeFd(fd)");
  return result_or_errno(env, close(fd));
}

/*
 * A frame, and in the headroom right before it where and which way it passed: struct sockaddr_ll
 * (linux/if_packet.h), 20 bytes. `watch` saw to it that the headroom is large enough.
 */
static ssize_t read_frame(struct watcher *w, uint8_t *into) {
  struct sockaddr_ll from = {0};
  socklen_t from_length = sizeof from;
  ssize_t got = recvfrom(w->fd, into, DATAGRAM_MAX, MSG_DONTWAIT, (struct sockaddr *)&from,
                         &from_length);
  if (got > 0) memcpy(into - sizeof from, &from, sizeof from);
  return got;
}

/* One datagram into the slab; its length, or -1 with errno. Zero: skip it and read the next. */
static ssize_t read_one(struct watcher *w, uint8_t *into) {
  if (w->how == HOW_TUN) return read(w->fd, into, DATAGRAM_MAX);
  if (w->how == HOW_PACKET) return read_frame(w, into);
  struct sockaddr_nl from = {0};
  socklen_t from_length = sizeof from;
  ssize_t got = recvfrom(w->fd, into, DATAGRAM_MAX, MSG_DONTWAIT | MSG_TRUNC,
                         (struct sockaddr *)&from, &from_length);
  if (got <= 0) return got;
  if (from.nl_pid != 0) return 0; /* another process, not the kernel */
  if (got > (ssize_t)DATAGRAM_MAX) {
    errno = ENOBUFS; /* cut short: as good as lost */
    return -1;
  }
  return got;
}

static void call_back(struct watcher *w, uint32_t count, int error) {
  napi_handle_scope scope;
  napi_value callback, receiver, argv[2];
  if (napi_open_handle_scope(w->env, &scope) != napi_ok) return;
  if (napi_get_reference_value(w->env, w->callback, &callback) == napi_ok &&
      napi_get_global(w->env, &receiver) == napi_ok) {
    argv[0] = number(w->env, count);
    argv[1] = number(w->env, error);
    napi_status status =
        napi_make_callback(w->env, w->context, receiver, callback, 2, argv, NULL);
    napi_value thrown;
    if (status == napi_pending_exception &&
        napi_get_and_clear_last_exception(w->env, &thrown) == napi_ok)
      napi_fatal_exception(w->env, thrown);
  }
  napi_close_handle_scope(w->env, scope);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  struct watcher *w = poll->data;
  (void)events;
  size_t at = 0;
  uint32_t count = 0;
  int error = 0;
  while (count < w->table_pairs && at + w->headroom + DATAGRAM_MAX <= w->slab_size) {
    ssize_t got = read_one(w, w->slab + at + w->headroom);
    if (got > 0) {
      w->table[2 * count] = (uint32_t)(at + w->headroom);
      w->table[2 * count + 1] = (uint32_t)got;
      count++;
      at = (at + w->headroom + (size_t)got + 7) & ~(size_t)7;
    } else if (got < 0 && errno != EINTR) {
      if (errno == EAGAIN) break;
      error = errno;
      if (error != ENOBUFS) break;
    }
  }
  const bool fatal = error != 0 && error != ENOBUFS;
  if (fatal) uv_poll_stop(poll);
  else if (status < 0) uv_poll_start(poll, UV_READABLE, on_readable);
  if (count > 0 || error != 0) call_back(w, count, error);
}

static void on_closed(uv_handle_t *handle) {
  struct watcher *w = handle->data;
  close(w->fd);
  napi_remove_async_cleanup_hook(w->hook);
  free(w);
}

static void release(struct watcher *w) {
  if (w->closing) return;
  w->closing = true;
  napi_delete_reference(w->env, w->callback);
  napi_delete_reference(w->env, w->slab_ref);
  napi_delete_reference(w->env, w->table_ref);
  napi_async_destroy(w->env, w->context);
  uv_close((uv_handle_t *)&w->poll, on_closed);
}

static void on_environment_end(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook;
  release(data);
}

/* watch(fd, how, slab, table, headroom, callback): an external for `unwatch`; it owns the fd */
static napi_value watch(napi_env env, napi_callback_info info) {
  napi_value argv[6], name, external;
  int32_t fd, how;
  uint32_t headroom;
  uint8_t *slab, *table;
  size_t slab_size, table_size;
  uv_loop_t *loop;
  if (!args(env, info, 6, argv) || napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
      napi_get_value_int32(env, argv[1], &how) != napi_ok ||
      !typed_bytes(env, argv[2], &slab, &slab_size) ||
      !typed_bytes(env, argv[3], &table, &table_size) ||
      napi_get_value_uint32(env, argv[4], &headroom) != napi_ok ||
      slab_size < (size_t)headroom + DATAGRAM_MAX ||
      (how == HOW_PACKET && headroom < sizeof(struct sockaddr_ll)) || table_size < 2 * sizeof(uint32_t) ||
      ((uintptr_t)table & 3) != 0)
    return throw_text(env, "watch(fd, how, slab, table, headroom, callback)");
  struct watcher *w = calloc(1, sizeof *w);
  if (w == NULL || napi_get_uv_event_loop(env, &loop) != napi_ok ||
      uv_poll_init(loop, &w->poll, fd) != 0) {
    free(w);
    return throw_text(env, "watch: not a descriptor that can be polled");
  }
  w->poll.data = w;
  w->env = env;
  w->fd = fd;
  w->how = how == HOW_TUN || how == HOW_PACKET ? (enum how)how : HOW_NETLINK;
  w->slab = slab;
  w->slab_size = slab_size;
  w->table = (uint32_t *)(void *)table;
  w->table_pairs = table_size / (2 * sizeof(uint32_t));
  w->headroom = headroom;
  napi_create_string_utf8(env, "selvage", NAPI_AUTO_LENGTH, &name);
  napi_create_reference(env, argv[5], 1, &w->callback);
  napi_create_reference(env, argv[2], 1, &w->slab_ref);
  napi_create_reference(env, argv[3], 1, &w->table_ref);
  napi_async_init(env, NULL, name, &w->context);
  napi_add_async_cleanup_hook(env, on_environment_end, w, &w->hook);
  uv_poll_start(&w->poll, UV_READABLE, on_readable);
  napi_create_external(env, w, NULL, NULL, &external);
  return external;
}

/* unwatch(external): stops and closes the descriptor; call once */
static napi_value unwatch(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  void *data;
  if (!args(env, info, 1, argv) || napi_get_value_external(env, argv[0], &data) != napi_ok)
    return throw_text(env, "unwatch(watcher)");
  release(data);
  return NULL;
}

/* keepAlive(external, 0 | 1): may this watcher alone keep the process running? */
static napi_value keep_alive(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  void *data;
  int32_t keep;
  if (!args(env, info, 2, argv) || napi_get_value_external(env, argv[0], &data) != napi_ok ||
      napi_get_value_int32(env, argv[1], &keep) != napi_ok)
    return throw_text(env, "keepAlive(watcher, keep)");
  uv_handle_t *handle = (uv_handle_t *)&((struct watcher *)data)->poll;
  if (keep) uv_ref(handle);
  else uv_unref(handle);
  return NULL;
}

NAPI_MODULE_INIT() {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"netlinkSocket", netlink_socket}, {"netlinkJoin", netlink_join},
      {"tunOpen", tun_open},             {"tunPersist", tun_persist},
      {"packetSocket", packet_socket},   {"packetFilter", packet_filter},
      {"packetBind", packet_bind},       {"packetSend", packet_send},
      {"packetDrops", packet_drops},     {"deviceIndex", device_index},
      {"deviceName", device_name},       {"setns", set_namespace},
      {"write", write_datagram},         {"closeFd", close_fd},
      {"watch", watch},                  {"unwatch", unwatch},
      {"keepAlive", keep_alive},         {"unixDatagram", unix_datagram},
  };
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    napi_value function;
    if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL,
                             &function) != napi_ok ||
        napi_set_named_property(env, exports, functions[i].name, function) != napi_ok)
      return NULL;
  }
  return exports;
}
