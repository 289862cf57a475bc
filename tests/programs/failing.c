/* Connects that find no port, from three places whose lines it tells; for the scenarios `stacks_*`.
 *
 * failing PLAIN|LATE|JIT: LATE fails once, waits, fails again and ends at once; JIT goes through code
 * that it compiles itself, and names it in a perf map. Expects a range that it can fill. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 100

extern char __executable_start;
static struct sockaddr_in nobody;

/* 1 where there was no port. */
__attribute__((noinline)) int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int result = connect(fd, (struct sockaddr *)&nobody, sizeof nobody);
	int failed = result < 0 && errno == EADDRNOTAVAIL;
	close(fd);
	return failed;
}

static int checkout_line, report_line, billing_line;

__attribute__((noinline)) int checkout(void)
{
	checkout_line = __LINE__ + 1;
	int failed = dial();
	return failed + 1;
}

__attribute__((noinline)) int report(void)
{
	report_line = __LINE__ + 1;
	int failed = dial();
	return failed + 2;
}

__attribute__((noinline)) int billing(void)
{
	billing_line = __LINE__ + 1;
	int failed = dial();
	return failed + 3;
}

static void fill(void)
{
	struct sockaddr_in here = nobody;
	here.sin_port = 0;
	for (int i = 0; i < MOST; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
			return;
	}
	exit(3);
}

/* push rbp; mov rbp, rsp; call rdi; pop rbp; ret */
static const unsigned char code[] = { 0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3 };

static int through_compiled(void)
{
	char path[64], line[128];
	int failed;
	int (*compiled)(int (*)(void));
	void *place = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (place == MAP_FAILED)
		return 0;
	memcpy(place, code, sizeof code);
	if (mprotect(place, 4096, PROT_READ | PROT_EXEC) < 0)
		return 0;
	snprintf(path, sizeof path, "/tmp/perf-%d.map", getpid());
	snprintf(line, sizeof line, "%lx %zx compiled_checkout\n", (unsigned long)place, sizeof code);
	FILE *map = fopen(path, "wx");
	if (!map || fputs(line, map) < 0 || fclose(map) != 0)
		return 0;
	memcpy(&compiled, &place, sizeof compiled);
	failed = 0;
	for (int i = 0; i < 6; i++)
		failed += compiled(checkout) - 1;
	usleep(300000);
	unlink(path);
	return failed;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "PLAIN";
	int failed = 0;
	nobody.sin_family = AF_INET;
	nobody.sin_port = htons(9);
	nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fill();
	if (strcmp(how, "JIT") == 0) {
		failed = through_compiled();
		printf("failed %d\n", failed);
		return failed == 6 ? 0 : 4;
	}
	if (strcmp(how, "LATE") == 0) {
		failed += billing() - 3;
		usleep(500000);
	} else {
		failed += billing() - 3;
	}
	for (int i = 0; i < 6; i++)
		failed += checkout() - 1;
	for (int i = 0; i < 3; i++)
		failed += report() - 2;
	if (strcmp(how, "LATE") == 0)
		_exit(failed == 10 ? 0 : 4);
	printf("checkout %d %ld\n", checkout_line, (long)((char *)checkout - &__executable_start));
	printf("report %d %ld\n", report_line, (long)((char *)report - &__executable_start));
	printf("billing %d %ld\n", billing_line, (long)((char *)billing - &__executable_start));
	fflush(stdout);
	usleep(500000);
	return failed == 10 ? 0 : 4;
}
