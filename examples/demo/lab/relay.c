// Passes frames between two interfaces, those of one port's packets (UDP or TCP over IPv4) so many
// milliseconds late, everything else at once: relay INTERFACE INTERFACE PORT MILLISECONDS
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// A frame as the kernel hands it over: what is to be computed of checksums stays to be computed.
#define HEADER 10
#define FRAME_MAX (HEADER + 65536 + 64)

struct held {
    struct held *next;
    long long due;
    ssize_t length;
    unsigned char bytes[];
};

static struct { int socket; struct held *first, **last; } side[2];

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

static int open_side(const char *interface) {
    int one = 1, s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    address.sll_ifindex = if_nametoindex(interface);
    if (s < 0 || address.sll_ifindex == 0 || bind(s, (void *)&address, sizeof address) < 0
        || setsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one) < 0) {
        perror(interface);
        exit(1);
    }
    return s;
}

static int is_late(const unsigned char *frame, ssize_t length, unsigned port) {
    const unsigned char *ip = frame + 14;
    if (length < 14 + 24 || frame[12] != 8 || frame[13] != 0) return 0;
    if (ip[9] != 17 && ip[9] != 6) return 0;
    const unsigned char *ports = ip + (ip[0] & 15) * 4;
    if (ports + 4 > frame + length) return 0;
    return (ports[0] << 8 | ports[1]) == (int)port || (ports[2] << 8 | ports[3]) == (int)port;
}

int main(int count, char **words) {
    static unsigned char frame[FRAME_MAX];
    if (count != 5) return 2;
    unsigned port = atoi(words[3]);
    long long delay = atoll(words[4]);
    for (int i = 0; i < 2; i++) {
        side[i].socket = open_side(words[1 + i]);
        side[i].last = &side[i].first;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        long long wait = -1;
        for (int i = 0; i < 2; i++) {
            struct held *held;
            while ((held = side[i].first) != NULL && held->due <= now()) {
                (void)!write(side[!i].socket, held->bytes, held->length);
                side[i].first = held->next;
                if (held->next == NULL) side[i].last = &side[i].first;
                free(held);
            }
            if (held != NULL && (wait < 0 || held->due - now() < wait)) wait = held->due - now();
        }
        if (wait < -1) wait = 0;
        struct pollfd polled[2] = {{side[0].socket, POLLIN, 0}, {side[1].socket, POLLIN, 0}};
        if (poll(polled, 2, wait) < 0) return 1;
        for (int i = 0; i < 2; i++) {
            struct sockaddr_ll from;
            socklen_t size = sizeof from;
            ssize_t length;
            while ((length = recvfrom(side[i].socket, frame, sizeof frame, MSG_DONTWAIT,
                                      (void *)&from, &size)) > 0) {
                size = sizeof from;
                if (from.sll_pkttype == PACKET_OUTGOING) continue;
                if (!is_late(frame + HEADER, length - HEADER, port)) {
                    (void)!write(side[!i].socket, frame, length);
                    continue;
                }
                struct held *held = malloc(sizeof *held + length);
                if (held == NULL) return 1;
                memcpy(held->bytes, frame, length);
                *held = (struct held){.due = now() + delay, .length = length};
                *side[i].last = held;
                side[i].last = &held->next;
            }
        }
    }
}
