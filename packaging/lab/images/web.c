/*
 * The sample application of the lab's images: a small HTTP/1.1 server whose faults are set from outside.
 *
 *   GET /              version and host name, as JSON, or as a page to a browser
 *   GET /up            200 when it is fit to serve, for health checks; never slowed down, never logged
 *   GET /slow?ms=250   answers after that long
 *   GET /fail?rate=0.2 answers 500 with that probability (1 when not said)
 *   GET /crash         ends the process with status 1
 *   GET /ws            a WebSocket that sends back what it gets; closed with 1001 when the server drains
 *
 * Environment; a value that cannot be read ends the program with a message that names it:
 *   PORT=8080          where it listens, on all IPv4 addresses
 *   VERSION=1          what it says it is
 *   BOOT_DELAY=0       time before it listens: 300ms, 2s, or seconds (1.5)
 *   LATENCY_MS=0       added to every answer but that of /up
 *   SLOW_RATE=1        share of the answers that LATENCY_MS is added to
 *   FAIL_RATE=0        share of requests to / that are answered with 500
 *   LEAK_KIB_PER_S=0   memory it takes and never gives back
 *   UP=always          what /up answers: always (200), never (503), or a time (30s) after which it is 503
 *   CRASH_AFTER=       time after which the process ends with status 1
 *   ON_SIGTERM=finish  finish: stop accepting, complete what is in flight, end with 0; die: end at once with 143,
 *                      dropping it; ignore: go on
 *   DRAIN_TIMEOUT=30s  the longest that `finish` waits
 *   LOG_REQUESTS=0     1: a line on standard output for every request
 *
 * `web check` asks a server in the same container for /up and ends with 0 or 1: a HEALTHCHECK without a shell.
 *
 * One thread per connection: a few hundred connections are what a test opens, and a slow answer holds up nobody.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_BYTES = 16 * 1024, ANSWER_BYTES = 4096, STACK_BYTES = 128 * 1024, BACKLOG = 512 };
enum sigterm { FINISH, DIE, IGNORE };

static struct {
    int port;
    const char *version;
    long boot_delay_ms, latency_ms, up_until_ms, crash_after_ms, drain_timeout_ms, leak_kib_per_s;
    double fail_rate, slow_rate;
    enum sigterm on_sigterm;
    bool log_requests;
} settings;

static char host_name[256];
static long started_ms;
static int draining_fd; /* readable from SIGTERM on, for good: every poll() wakes */
static atomic_bool draining;
static atomic_long connections;

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("web: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(long duration_ms)
{
    struct timespec left = {duration_ms / 1000, duration_ms % 1000 * 1000000};
    while (duration_ms > 0 && nanosleep(&left, &left) == -1 && errno == EINTR) {
    }
}

static bool happens(double probability)
{
    unsigned int bits;
    if (getrandom(&bits, sizeof bits, 0) != sizeof bits) return false;
    return bits / 4294967296.0 < probability;
}

/* ---- settings ---- */

static const char *text_setting(const char *name, const char *standard)
{
    const char *value = getenv(name);
    return value && *value ? value : standard;
}

static double number_setting(const char *name, const char *standard, double least, double most)
{
    const char *value = text_setting(name, standard);
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end || !(number >= least && number <= most))
        fail("%s=%s: not a number from %g to %g", name, value, least, most);
    return number;
}

/* "300ms", "2s", "1.5" (seconds); -1 where it is not a time. */
static long parse_duration_ms(const char *value)
{
    char *end;
    double number = strtod(value, &end);
    if (end == value || !(number >= 0 && number <= 86400000)) return -1;
    if (!strcmp(end, "ms")) return (long)number;
    if (!*end || !strcmp(end, "s")) return (long)(number * 1000);
    return -1;
}

static long duration_setting(const char *name, const char *standard)
{
    const char *value = text_setting(name, standard);
    long duration_ms = parse_duration_ms(value);
    if (duration_ms < 0) fail("%s=%s: not a time such as 300ms, 2s or 1.5 (seconds)", name, value);
    return duration_ms;
}

static void read_settings(void)
{
    settings.port = (int)number_setting("PORT", "8080", 1, 65535);
    settings.version = text_setting("VERSION", "1");
    for (const char *c = settings.version; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-", *c))
            fail("VERSION=%s: only letters, digits and ._+- are allowed", settings.version);
    if (strlen(settings.version) > 64) fail("VERSION is longer than 64 characters");
    settings.boot_delay_ms = duration_setting("BOOT_DELAY", "0");
    settings.latency_ms = (long)number_setting("LATENCY_MS", "0", 0, 3600000);
    settings.fail_rate = number_setting("FAIL_RATE", "0", 0, 1);
    settings.slow_rate = number_setting("SLOW_RATE", "1", 0, 1);
    settings.leak_kib_per_s = (long)number_setting("LEAK_KIB_PER_S", "0", 0, 1048576);
    settings.crash_after_ms = *text_setting("CRASH_AFTER", "") ? duration_setting("CRASH_AFTER", "") : -1;
    settings.drain_timeout_ms = duration_setting("DRAIN_TIMEOUT", "30s");
    settings.log_requests = number_setting("LOG_REQUESTS", "0", 0, 1) > 0;

    const char *up = text_setting("UP", "always");
    if (!strcmp(up, "always")) settings.up_until_ms = -1;
    else if (!strcmp(up, "never")) settings.up_until_ms = 0;
    else if ((settings.up_until_ms = parse_duration_ms(up)) < 0)
        fail("UP=%s: neither always, never nor a time such as 30s", up);

    const char *on_sigterm = text_setting("ON_SIGTERM", "finish");
    if (!strcmp(on_sigterm, "finish")) settings.on_sigterm = FINISH;
    else if (!strcmp(on_sigterm, "die")) settings.on_sigterm = DIE;
    else if (!strcmp(on_sigterm, "ignore")) settings.on_sigterm = IGNORE;
    else fail("ON_SIGTERM=%s: neither finish, die nor ignore", on_sigterm);
}

/* ---- one request ---- */

struct answer {
    int status;
    const char *type;
    char body[ANSWER_BYTES];
};

static const char *reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
    }
}

static double query_number(const char *query, const char *name, double standard)
{
    size_t length = strlen(name);
    for (const char *at = query; at; at = strchr(at, '&')) {
        if (*at == '&') at++;
        if (!strncmp(at, name, length) && at[length] == '=') return strtod(at + length + 1, NULL);
    }
    return standard;
}

static void write_root(struct answer *answer, bool wants_page)
{
    answer->status = happens(settings.fail_rate) ? 500 : 200;
    const char *word = answer->status == 200 ? "serves" : "fails";
    if (!wants_page) {
        answer->type = "application/json";
        snprintf(answer->body, sizeof answer->body, "{\"app\": \"web\", \"version\": \"%s\", \"hostname\": \"%s\", \"status\": \"%s\"}\n",
                 settings.version, host_name, word);
        return;
    }
    answer->type = "text/html; charset=utf-8";
    snprintf(answer->body, sizeof answer->body,
             "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
             "<title>web %s</title><style>body{font:1.1rem system-ui;display:grid;place-content:center;height:90vh;"
             "text-align:center;color-scheme:light dark}b{font-size:5rem;display:block}</style>"
             "<p>version <b>%s</b> %s from container <code>%s</code>",
             settings.version, settings.version, word, host_name);
}

static void handle(const char *method, char *target, bool wants_page, struct answer *answer)
{
    char *query = strchr(target, '?');
    if (query) *query++ = 0;
    answer->type = "text/plain";
    answer->status = 200;
    if (strcmp(method, "GET") && strcmp(method, "HEAD") && strcmp(method, "POST")) {
        answer->status = 405;
        strcpy(answer->body, "only GET, HEAD and POST\n");
        return;
    }
    if (!strcmp(target, "/up")) {
        bool up = settings.up_until_ms < 0 || now_ms() - started_ms < settings.up_until_ms;
        answer->status = up ? 200 : 503;
        strcpy(answer->body, up ? "up\n" : "down\n");
        return;
    }
    if (settings.latency_ms && happens(settings.slow_rate)) sleep_ms(settings.latency_ms);
    if (!strcmp(target, "/")) {
        write_root(answer, wants_page);
    } else if (!strcmp(target, "/slow")) {
        double duration_ms = query_number(query, "ms", 1000);
        sleep_ms(duration_ms > 0 && duration_ms < 3600000 ? (long)duration_ms : 0);
        strcpy(answer->body, "slow\n");
    } else if (!strcmp(target, "/fail")) {
        answer->status = happens(query_number(query, "rate", 1)) ? 500 : 200;
        strcpy(answer->body, answer->status == 200 ? "lucky\n" : "failed as asked\n");
    } else if (!strcmp(target, "/crash")) {
        _exit(1);
    } else {
        answer->status = 404;
        strcpy(answer->body, "there are /, /up, /slow?ms=, /fail?rate=, /crash and /ws\n");
    }
}

static bool send_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* ---- one connection ---- */

/* The value of a header in the zero-terminated head of a request, or NULL. */
static const char *header(const char *head, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (!strncasecmp(line, name, length) && line[length] == ':') return line + length + 1 + strspn(line + length + 1, " \t");
    }
    return NULL;
}

static bool header_says(const char *value, const char *word)
{
    if (!value) return false;
    char copy[256];
    size_t length = strcspn(value, "\r\n");
    snprintf(copy, sizeof copy, "%.*s", (int)(length < 255 ? length : 255), value);
    return strcasestr(copy, word) != NULL;
}

/* Wait for bytes; false when the peer is gone, or when nothing is in flight and the server drains. */
static bool receive_more(int fd, char *buffer, size_t *held, bool in_flight)
{
    struct pollfd watched[] = {{.fd = fd, .events = POLLIN}, {.fd = draining_fd, .events = POLLIN}};
    while (poll(watched, in_flight ? 1 : 2, -1) < 0)
        if (errno != EINTR) return false;
    if (!watched[0].revents) return false;
    ssize_t got = recv(fd, buffer + *held, REQUEST_BYTES - *held, 0);
    if (got <= 0) return false;
    *held += (size_t)got;
    buffer[*held] = 0;
    return true;
}

/* ---- WebSocket (RFC 6455): an echo ---- */

static void sha1(const unsigned char *data, size_t size, unsigned char digest[20])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    unsigned char padded[128] = {0}; /* a key and its constant are 60 bytes: two blocks */
    size_t whole = (size + 9 + 63) / 64 * 64;
    memcpy(padded, data, size);
    padded[size] = 0x80;
    for (int i = 0; i < 8; i++) padded[whole - 1 - i] = (unsigned char)((uint64_t)size * 8 >> 8 * i);
    for (size_t at = 0; at < whole; at += 64) {
        uint32_t w[80], v[5];
        for (int i = 0; i < 16; i++)
            w[i] = (uint32_t)padded[at + 4 * i] << 24 | (uint32_t)padded[at + 4 * i + 1] << 16 | (uint32_t)padded[at + 4 * i + 2] << 8 | padded[at + 4 * i + 3];
        for (int i = 16; i < 80; i++) {
            uint32_t x = w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16];
            w[i] = x << 1 | x >> 31;
        }
        memcpy(v, h, sizeof v);
        for (int i = 0; i < 80; i++) {
            uint32_t f = i < 20 ? (v[1] & v[2]) | (~v[1] & v[3]) : i < 40 ? v[1] ^ v[2] ^ v[3] : i < 60 ? (v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3]) : v[1] ^ v[2] ^ v[3];
            uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
            uint32_t t = (v[0] << 5 | v[0] >> 27) + f + v[4] + k + w[i];
            v[4] = v[3], v[3] = v[2], v[2] = v[1] << 30 | v[1] >> 2, v[1] = v[0], v[0] = t;
        }
        for (int i = 0; i < 5; i++) h[i] += v[i];
    }
    for (int i = 0; i < 20; i++) digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void base64(const unsigned char *data, size_t size, char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < size; at += 3) {
        uint32_t group = (uint32_t)data[at] << 16 | (at + 1 < size ? (uint32_t)data[at + 1] << 8 : 0) | (at + 2 < size ? data[at + 2] : 0);
        for (int i = 0; i < 4; i++) *text++ = at + (size_t)i <= size ? letters[group >> (18 - 6 * i) & 63] : '=';
    }
    *text = 0;
}

/* Echo frames of at most 125 bytes until the peer closes, or the server drains. */
static void serve_websocket(int fd, const char *head, char *buffer, size_t *held)
{
    const char *key = header(head, "Sec-WebSocket-Key");
    char joined[96], accept[32], message[256];
    unsigned char digest[20];
    if (!key || strcspn(key, " \r\n") != 24) return;
    snprintf(joined, sizeof joined, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    sha1((const unsigned char *)joined, strlen(joined), digest);
    base64(digest, sizeof digest, accept);
    int size = snprintf(message, sizeof message,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"
                        "X-Version: %s\r\n\r\n",
                        accept, settings.version);
    if (!send_all(fd, message, (size_t)size)) return;
    for (;;) {
        size_t length = *held >= 2 ? (unsigned char)buffer[1] & 127 : 0;
        if (*held < 2 || *held < 6 + length) {
            if (receive_more(fd, buffer, held, false)) continue;
            static const char going_away[] = {(char)0x88, 2, 0x03, (char)0xe9};
            send_all(fd, going_away, sizeof going_away);
            return;
        }
        if (length > 125 || !((unsigned char)buffer[1] & 128)) return;
        unsigned char kind = (unsigned char)buffer[0] & 15;
        message[0] = (char)(kind == 9 ? 0x8a : buffer[0]); /* a ping is answered with a pong */
        message[1] = (char)length;
        for (size_t i = 0; i < length; i++) message[2 + i] = (char)(buffer[6 + i] ^ buffer[2 + i % 4]);
        *held -= 6 + length;
        memmove(buffer, buffer + 6 + length, *held + 1);
        if (!send_all(fd, message, 2 + length) || kind == 8) return;
    }
}

/* Serve the request whose head (size bytes, with its empty line) begins the buffer; false ends the connection. */
static bool serve_request(int fd, char *buffer, size_t size, size_t *held)
{
    char method[16], target[2048], protocol[16];
    long began_ms = now_ms();
    char after = buffer[size];
    buffer[size] = 0;
    if (sscanf(buffer, "%15s %2047s %15s", method, target, protocol) != 3) return false;
    const char *length_text = header(buffer, "Content-Length");
    long body = length_text ? strtol(length_text, NULL, 10) : 0;
    const char *connection = header(buffer, "Connection");
    bool keep = !strcmp(protocol, "HTTP/1.1") ? !header_says(connection, "close") : header_says(connection, "keep-alive");
    bool wants_page = header_says(header(buffer, "Accept"), "text/html");
    if (body < 0 || header(buffer, "Transfer-Encoding")) return false;
    if (!strcmp(target, "/ws") && header_says(header(buffer, "Upgrade"), "websocket")) {
        char head[REQUEST_BYTES + 1];
        memcpy(head, buffer, size + 1);
        buffer[size] = after;
        *held -= size;
        memmove(buffer, buffer + size, *held + 1);
        serve_websocket(fd, head, buffer, held);
        return false;
    }
    buffer[size] = after;

    /* Nobody reads the body, but the next request begins behind it. */
    *held -= size;
    memmove(buffer, buffer + size, *held + 1);
    while (body > 0) {
        size_t skipped = *held < (size_t)body ? *held : (size_t)body;
        body -= (long)skipped;
        *held -= skipped;
        memmove(buffer, buffer + skipped, *held + 1);
        if (body > 0 && !receive_more(fd, buffer, held, true)) return false;
    }

    struct answer answer;
    bool is_probe = !strncmp(target, "/up", 3);
    char path[256];
    snprintf(path, sizeof path, "%.255s", target);
    handle(method, target, wants_page, &answer);
    keep = keep && !draining;

    char message[ANSWER_BYTES + 512];
    int message_size = snprintf(message, sizeof message,
                                "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nX-Version: %s\r\n%s\r\n%s",
                                answer.status, reason(answer.status), answer.type, strlen(answer.body), settings.version,
                                keep ? "" : "Connection: close\r\n", strcmp(method, "HEAD") ? answer.body : "");
    bool sent = send_all(fd, message, (size_t)message_size);
    if (settings.log_requests && !is_probe) {
        printf("%s %s %d %ld ms%s\n", method, path, answer.status, now_ms() - began_ms, sent ? "" : " (client gone)");
        fflush(stdout);
    }
    return sent && keep;
}

static void *serve_connection(void *argument)
{
    int fd = (int)(long)argument;
    char buffer[REQUEST_BYTES + 1];
    size_t held = 0;
    buffer[0] = 0;
    for (;;) {
        char *end = strstr(buffer, "\r\n\r\n");
        if (end) {
            if (!serve_request(fd, buffer, (size_t)(end + 4 - buffer), &held)) break;
        } else if (held == REQUEST_BYTES || !receive_more(fd, buffer, &held, held > 0)) {
            break;
        }
    }
    close(fd);
    connections--;
    return NULL;
}

/* ---- the process ---- */

static void on_signal(int number)
{
    if (number == SIGINT || settings.on_sigterm == DIE) _exit(128 + number);
    if (settings.on_sigterm == IGNORE) return;
    draining = true;
    uint64_t one = 1;
    ssize_t written = write(draining_fd, &one, sizeof one);
    (void)written;
}

static void *crash_later(void *unused)
{
    sleep_ms(settings.crash_after_ms);
    fprintf(stderr, "web: CRASH_AFTER has passed\n");
    _exit(1);
    return unused;
}

static void *leak(void *unused)
{
    for (;;) {
        char *taken = malloc((size_t)settings.leak_kib_per_s * 128);
        if (taken) memset(taken, 1, (size_t)settings.leak_kib_per_s * 128);
        sleep_ms(125);
    }
    return unused;
}

static int listen_on(int port)
{
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, BACKLOG))
        fail("PORT=%d: cannot listen: %s", port, strerror(errno));
    return fd;
}

static int check(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {2, 0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)settings.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    static const char request[] = "GET /up HTTP/1.0\r\n\r\n";
    char answer[64] = {0};
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) || !send_all(fd, request, sizeof request - 1) ||
        recv(fd, answer, sizeof answer - 1, 0) < 12)
        return 1;
    return strncmp(answer + 9, "200", 3) ? 1 : 0;
}

int main(int count, char **arguments)
{
    read_settings();
    if (count == 2 && !strcmp(arguments[1], "check")) return check();
    if (count != 1) fail("usage: web [check]");

    started_ms = now_ms();
    gethostname(host_name, sizeof host_name - 1);
    draining_fd = eventfd(0, EFD_CLOEXEC);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    /* The first process of a container gets only the signals it has a handler for. */
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    pthread_attr_t small;
    pthread_t thread;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK_BYTES);
    pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
    if (settings.crash_after_ms >= 0 && pthread_create(&thread, &small, crash_later, NULL)) fail("no thread");

    if (settings.leak_kib_per_s && pthread_create(&thread, &small, leak, NULL)) fail("no thread");

    for (long left_ms = settings.boot_delay_ms; left_ms > 0 && !draining; left_ms -= 50) sleep_ms(left_ms < 50 ? left_ms : 50);
    if (draining) return 0;
    int listener = listen_on(settings.port);
    printf("web %s listens on port %d\n", settings.version, settings.port);
    fflush(stdout);

    /* A round may begin before SIGTERM and end after it, so the round that sees `draining` still empties the queue. */
    struct pollfd watched[] = {{.fd = listener, .events = POLLIN}, {.fd = draining_fd, .events = POLLIN}};
    bool last_round;
    do {
        poll(watched, 2, -1);
        last_round = draining;
        for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
            int yes = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            connections++;
            if (pthread_create(&thread, &small, serve_connection, (void *)(long)fd)) {
                connections--;
                close(fd);
            }
        }
    } while (!last_round);

    close(listener);
    printf("web %s was asked to stop; %ld connections\n", settings.version, (long)connections);
    fflush(stdout);
    for (long left_ms = settings.drain_timeout_ms; left_ms > 0 && connections; left_ms -= 5) sleep_ms(5);
    printf("web %s ends; %ld connections dropped\n", settings.version, (long)connections);
    return 0;
}
