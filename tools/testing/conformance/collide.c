// SPDX-License-Identifier: GPL-2.0
/* execute --collide: what several processes do at a time. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "execute.h"

#define MOST 4096 /* operations that collide */

static uint32_t random_number(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* One process's share: all lines from one of them on, round the end. */
static void perform_all(char **lines, int count, int which, uint32_t seed, uint64_t *done)
{
	int faults = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC), i, words;
	uint32_t state = seed * 2654435761u + which + 1;
	char *line, *word[WORDS], digits[12];

	alarm_every(1);
	all_open(); /* another one may have opened it */
	for (i = 0; i < count; i++) {
		line = strdup(lines[(i + (size_t)which * count / 5) % count]);
		words = split(line, word);
		if (faults >= 0 && random_number(&state) % 8 == 0) {
			snprintf(digits, sizeof(digits), "%u", random_number(&state) % 40 + 1);
			pwrite(faults, digits, strlen(digits), 0);
		}
		if (words)
			perform(words, word);
		if (faults >= 0)
			pwrite(faults, "0", 1, 0);
		free(line);
		__atomic_add_fetch(done, 1, __ATOMIC_RELAXED);
	}
}

/* Where a process is that does not get on. */
static void show_process(pid_t pid)
{
	static const char *const files[] = { "status", "syscall", "stack" };
	ssize_t length;
	char path[64], text[2001];
	size_t i;
	int fd;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		length = read(fd, text, 2000);
		text[length > 0 ? length : 0] = 0;
		fprintf(stderr, "%s: %s\n", path, text);
		close(fd);
	}
}

/* Processes with one table of descriptors perform the lines. */
static void collide(char **lines, int count, int processes, uint32_t seed, uint64_t *done)
{
	time_t limit = time(NULL) + 300;
	uint64_t expected = *done + (uint64_t)count * processes;
	int i, left = processes, status;
	bool failed = false;
	pid_t pid[64];

	for (i = 0; i < processes; i++) {
		pid[i] = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);
		if (pid[i] < 0)
			die("clone");
		if (!pid[i]) {
			perform_all(lines, count, i, seed, done);
			_exit(0);
		}
	}
	for (i = 0; left; i = (i + 1) % processes) {
		if (pid[i] && waitpid(pid[i], &status, WNOHANG) == pid[i]) {
			if (status) {
				fprintf(stderr, "execute: process %d of program %u ended with %s %d\n", i, seed,
					WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
				failed = true;
			}
			pid[i] = 0;
			left--;
		} else if (time(NULL) > limit) {
			fprintf(stderr, "execute: %d processes of program %u do not end\n", left, seed);
			for (i = 0; i < processes; i++)
				if (pid[i])
					show_process(pid[i]);
			exit(2);
		}
		if (!i)
			usleep(500);
	}
	/* Nothing ends a process before its last operation: what is interrupted goes on, and signals are for none of them. */
	if (*done != expected) {
		fprintf(stderr, "execute: program %u: %lld operations are missing\n", seed, (long long)(expected - *done));
		failed = true;
	}
	if (failed)
		exit(2);
	all_open();
}

/* The whole program that way. What the processes would write goes nowhere. */
int collide_program(FILE *program, int processes)
{
	uint64_t *done = mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	FILE *told = stdout, *nowhere = fopen("/dev/null", "we");
	char *line = NULL, *word[WORDS], *lines[MOST];
	int count = -1, words, programs = 0, i;
	size_t room = 0;

	for (;;) {
		bool end = getline(&line, &room, program) <= 0;

		if (end || !strncmp(line, "new ", 4)) {
			stdout = nowhere;
			if (count > 0)
				collide(lines, count, processes, ++programs, done);
			for (i = 0; i < count; i++)
				free(lines[i]);
			count = -1;
			stdout = told;
			if (end)
				break;
		}
		if (count < 0) {
			words = split(line, word);
			stdout = nowhere;
			if (words)
				perform(words, word);
			stdout = told;
			if (!strcmp(line, "collide"))
				count = 0;
		} else if (count < MOST) {
			lines[count++] = strdup(line);
		}
	}
	begin("wipe");
	printf("collided: %d programs, %llu operations, %d things without an end\n", programs, (unsigned long long)*done, unending);
	return unending != 0;
}
