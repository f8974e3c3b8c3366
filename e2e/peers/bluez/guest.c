/* The first process of the guest: a User-mode Linux kernel whose root is the host's root, read-only.
 * It makes what that root lacks in memory, starts the system bus, and serves the host on three TCP ports:
 *   7001  a client of the system bus: 4 bytes uid, 4 bytes gid (little endian), then the bytes of D-Bus. D-Bus asks the
 *         kernel who is at the other end of its socket, so whoever relays has to be the client.
 *   7002  a controller: packets of HCI (H4), each behind 2 bytes of length. The adapter is there as long as the connection.
 *   7003  one command for the shell, up to the end of what is sent; its output comes back.
 * The environment GROUND names the host's folder that is mounted, writable, at /run/ground. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ADDRESS "10.99.0.2"
#define NETMASK "255.255.255.252"
#define BUS "/run/dbus/system_bus_socket"
enum { BUS_PORT = 7001, VHCI_PORT = 7002, SHELL_PORT = 7003, LARGEST_PACKET = 4096, LARGEST_COMMAND = 65536 };

static void fail(const char *what) {
  fprintf(stderr, "guest: %s: %s\n", what, strerror(errno));
  if (getpid() == 1) reboot(RB_POWER_OFF);
  _exit(1);
}

static void put(const char *source, const char *target, const char *type, const char *data) {
  if (mount(source, target, type, 0, data) != 0) fail(target);
}

static void mounts(void) {
  const char *ground = getenv("GROUND");
  put("proc", "/proc", "proc", NULL);
  put("sysfs", "/sys", "sysfs", NULL);
  if (mount("dev", "/dev", "devtmpfs", 0, NULL) != 0 && errno != EBUSY) fail("/dev");
  put("run", "/run", "tmpfs", "mode=755");
  put("tmp", "/tmp", "tmpfs", NULL);
  put("lib", "/var/lib", "tmpfs", "mode=755"); /* the bonds of bluetoothd */
  mkdir("/run/dbus", 0755);
  mkdir("/run/ground", 0755);
  mkdir("/var/lib/bluetooth", 0700);
  if (ground != NULL) put("ground", "/run/ground", "hostfs", ground);
  /* The bus closes the door to a user whom the system does not know. */
  if (access("/run/ground/passwd", R_OK) == 0 && mount("/run/ground/passwd", "/etc/passwd", NULL, MS_BIND, NULL) != 0) fail("passwd");
}

static void interface_up(int any, const char *name, const char *address, const char *mask) {
  struct ifreq request = {0};
  struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (address != NULL) {
    in->sin_family = AF_INET;
    inet_pton(AF_INET, address, &in->sin_addr);
    if (ioctl(any, SIOCSIFADDR, &request) != 0) fail(name);
    inet_pton(AF_INET, mask, &in->sin_addr);
    if (ioctl(any, SIOCSIFNETMASK, &request) != 0) fail(name);
  }
  if (ioctl(any, SIOCGIFFLAGS, &request) != 0) fail(name);
  request.ifr_flags |= IFF_UP | IFF_RUNNING;
  if (ioctl(any, SIOCSIFFLAGS, &request) != 0) fail(name);
}

static void network(void) {
  int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any < 0) fail("socket");
  interface_up(any, "lo", NULL, NULL);
  interface_up(any, "vec0", ADDRESS, NETMASK);
  close(any);
}

static int listen_on(int port) {
  int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, ADDRESS, &at.sin_addr);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 128) != 0) fail("listen");
  return fd;
}

static int whole_read(int fd, void *into, size_t size) {
  for (size_t have = 0; have < size;) {
    ssize_t n = read(fd, (char *)into + have, size - have);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return 0;
    have += n;
  }
  return 1;
}

static int whole_write(int fd, const void *from, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t n = write(fd, (const char *)from + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return 0;
    done += n;
  }
  return 1;
}

static void one_way(int from, int to) {
  static char buffer[65536];
  for (;;) {
    ssize_t n = read(from, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || !whole_write(to, buffer, n)) break;
  }
  shutdown(to, SHUT_WR);
  shutdown(from, SHUT_RD);
}

static void serve_bus(int host) {
  uint32_t who[2];
  struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = BUS};
  int bus = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bus < 0 || !whole_read(host, who, sizeof who)) return;
  if (setgroups(0, NULL) != 0 || setresgid(who[1], who[1], who[1]) != 0 || setresuid(who[0], who[0], who[0]) != 0) fail("setuid");
  if (connect(bus, (struct sockaddr *)&at, sizeof at) != 0) return;
  if (fork() == 0) one_way(bus, host);
  else one_way(host, bus);
}

static void serve_vhci(int host) {
  static unsigned char packet[2 + LARGEST_PACKET];
  const unsigned char create[] = {0xff, 0x00};
  int vhci = open("/dev/vhci", O_RDWR | O_CLOEXEC);
  if (vhci < 0) fail("/dev/vhci");
  if (write(vhci, create, sizeof create) != sizeof create) fail("vhci");
  struct pollfd both[2] = {{.fd = host, .events = POLLIN}, {.fd = vhci, .events = POLLIN}};
  while (poll(both, 2, -1) > 0 || errno == EINTR) {
    if (both[0].revents != 0) {
      if (!whole_read(host, packet, 2)) return;
      size_t size = packet[0] | packet[1] << 8;
      if (size > LARGEST_PACKET || !whole_read(host, packet + 2, size)) return;
      if (write(vhci, packet + 2, size) < 0) fprintf(stderr, "guest: vhci refuses a packet of type %d: %s\n", packet[2], strerror(errno));
    }
    if (both[1].revents != 0) {
      ssize_t n = read(vhci, packet + 2, LARGEST_PACKET);
      if (n <= 0) return;
      packet[0] = n & 255;
      packet[1] = n >> 8;
      if (!whole_write(host, packet, 2 + n)) return;
    }
  }
}

static void serve_shell(int host) {
  static char command[LARGEST_COMMAND + 1];
  size_t have = 0;
  for (ssize_t n; have < LARGEST_COMMAND && (n = read(host, command + have, LARGEST_COMMAND - have)) > 0;) have += n;
  dup2(host, 1);
  dup2(host, 2);
  execl("/bin/sh", "sh", "-c", command, (char *)NULL);
}

static void serve(int listener, void (*how)(int)) {
  int one = 1, host = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (host < 0) return;
  if (fork() == 0) {
    setsid();
    signal(SIGCHLD, SIG_DFL);
    setsockopt(host, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    how(host);
    _exit(0);
  }
  close(host);
}

static void start_bus(void) {
  int status;
  pid_t child = fork();
  if (child == 0) {
    const char *config = access("/run/ground/bus.conf", R_OK) == 0 ? "--config-file=/run/ground/bus.conf" : "--system";
    execlp("dbus-daemon", "dbus-daemon", config, "--fork", "--print-pid=1", (char *)NULL);
    fail("dbus-daemon");
  }
  if (waitpid(child, &status, 0) != child || status != 0) {
    errno = 0;
    fail("the system bus does not start");
  }
}

int main(void) {
  setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
  setenv("HOME", "/tmp", 1);
  int null = open("/dev/null", O_RDONLY);
  if (null > 0) dup2(null, 0);
  mounts();
  network();
  start_bus();
  signal(SIGPIPE, SIG_IGN);
  struct pollfd ports[3] = {{.fd = listen_on(BUS_PORT), .events = POLLIN},
                            {.fd = listen_on(VHCI_PORT), .events = POLLIN},
                            {.fd = listen_on(SHELL_PORT), .events = POLLIN}};
  void (*const how[3])(int) = {serve_bus, serve_vhci, serve_shell};
  printf("guest: up\n");
  fflush(stdout);
  for (;;) {
    if (poll(ports, 3, 1000) > 0)
      for (int i = 0; i < 3; i++)
        if (ports[i].revents != 0) serve(ports[i].fd, how[i]);
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
  }
}
