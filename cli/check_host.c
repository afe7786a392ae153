/* SPDX-License-Identifier: ISC */
/*
 * stek check: what this host does to memory with keys in it, and its clock.
 *
 * Never here: stek's own files.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#define LOCKED_MIN (64 * 1024 * 1024) /* what stekd may map, amply */
#define LAYERS_MAX 4 /* of block devices, one on the other */
#define YEAR_2025  INT64_C(1735689600)

/* A line of a file of /proc or /sys, without its end; "" if it has none. */
static void
first_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");

	line[0] = '\0';
	if (file == NULL)
		return;
	if (fgets(line, (int)size, file) == NULL)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	(void)fclose(file);
}

/* Is this folder of /sys/dev/block a dm-crypt device, or wholly on such? */
static bool
is_encrypted(const char *device, int layers)
{
	char path[512], uuid[64];
	bool all = false;
	struct dirent *entry;
	DIR *slaves;

	(void)snprintf(path, sizeof(path), "%.400s/dm/uuid", device);
	first_line(path, uuid, sizeof(uuid));
	if (strncmp(uuid, "CRYPT-", 6) == 0)
		return true;
	(void)snprintf(path, sizeof(path), "%.400s/slaves", device);
	slaves = layers > 0 ? opendir(path) : NULL;
	if (slaves == NULL)
		return false;
	while ((entry = readdir(slaves)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%.200s/slaves/%.200s",
		    device, entry->d_name);
		all = is_encrypted(path, layers - 1);
		if (!all)
			break;
	}
	(void)closedir(slaves);
	return all;
}

/* A swap partition's device, or the one that a swap file is on. */
static bool
is_safe_swap(const char *path)
{
	char device[64];
	struct stat st;
	dev_t dev;

	if (strncmp(path, "/dev/zram", 9) == 0)
		return true;
	if (stat(path, &st) < 0)
		return false;
	dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	(void)snprintf(device, sizeof(device), "/sys/dev/block/%u:%u",
	    major(dev), minor(dev));
	return is_encrypted(device, LAYERS_MAX);
}

static void
check_swap(struct check *check)
{
	char line[512];
	size_t count = 0, bad = 0;
	FILE *file = fopen("/proc/swaps", "re");

	if (file == NULL) {
		check_say(check, CHECK_NOTE, "swap", "",
		    "/proc/swaps: %s, so it is not known whether there is any",
		    strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, " \t\n")] = '\0';
		if (line[0] != '/')
			continue;
		count++;
		if (is_safe_swap(line))
			continue;
		bad++;
		check_say(check, CHECK_WARN, "swap",
		    "encrypt it with a random key (crypttab(5), swap), or "
		    "swapoff it",
		    "%s is not encrypted: key files in memory and servers' "
		    "memory may be written to it",
		    line);
	}
	(void)fclose(file);
	if (bad == 0)
		check_say(check, CHECK_OK, "swap", "", "%s",
		    count == 0 ? "there is none"
		               : "all of it is encrypted or in memory");
}

static void
check_cores(struct check *check)
{
	char dumpable[32], pattern[256];

	first_line("/proc/sys/fs/suid_dumpable", dumpable, sizeof(dumpable));
	first_line("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern));
	if (strcmp(dumpable, "1") == 0)
		check_say(check, CHECK_WARN, "core dumps",
		    "sysctl fs.suid_dumpable=0",
		    "fs.suid_dumpable is 1: servers that changed their user "
		    "leave readable cores with keys in them");
	else if (pattern[0] == '|')
		check_say(check, CHECK_NOTE, "core dumps", "",
		    "a server that crashes gives its memory, keys included, "
		    "to %.100s; stekd itself leaves no core",
		    pattern + 1);
	else
		check_say(check, CHECK_OK, "core dumps", "",
		    "stekd leaves none, nor do servers that changed their "
		    "user");
}

static void
check_limits(struct check *check)
{
	struct rlimit limit;

	if (geteuid() == 0 || check->conf->allow_unlocked ||
	    getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return;
	if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= LOCKED_MIN)
		return;
	check_say(check, CHECK_FAIL, "locked memory",
	    "raise it (ulimit -l, LimitMEMLOCK=infinity), or write allow = "
	    "{\"unlocked\"}",
	    "only %lld KB may be locked, so a stekd without root does not "
	    "start",
	    (long long)limit.rlim_cur / 1024);
}

static void
check_clock(struct check *check)
{
	if (check->now < YEAR_2025)
		check_say(check, CHECK_FAIL, "clock", "set it, by NTP",
		    "it stands before 2025: keys made now get wrong times");
}

void
check_host(struct check *check)
{
	check_swap(check);
	check_cores(check);
	check_limits(check);
	check_clock(check);
}
